/*
 * change.h - changes of a user's root filesystem that happen as a whole or not at all, whenever the power fails.
 *
 *	1 prepare	"journal" says what is coming; all that is new is made in ".staging", beside upper
 *	2 commit	everything is on disk; the journal says so: from here on the change is made, even if by somebody else
 *	3 carry out	renames, each of which finds out whether it has been done, of what is left to names of no meaning, too
 *	4 sweep		the journal becomes "remains", and what is left is removed, and that file last
 *
 * A journal of step 1 is undone, one of step 2 is carried out: by the next change, the user's next login, or `carrelctl gc`. What step
 * 4 has not removed holds up nobody, however long it takes or whatever is in it: the next change, the end of the user's last
 * session, or `carrelctl gc` go on with it.
 *
 * In all of them the caller holds the user's lock, no session of the user is live and their overlay is not mounted. `user_fd` is
 * CARREL_USERS/UID. Below storage_open()'s directory a user owns what is in upper, home and snapshots/NAME/{upper,home}, and
 * nothing else.
 */
#ifndef CARREL_CHANGE_H
#define CARREL_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "fs.h"
#include "image.h"

#define SNAPSHOT_NAME_MAX 63
#define SNAPSHOT_PREFIX	  "snapshot."

struct snapshot {
	char name[SNAPSHOT_NAME_MAX + 1];
	char image[IMAGE_NAME_MAX + 1]; /* what it is a snapshot on */
	char by[8];			/* "root", or "user" from inside */
	uint64_t taken;			/* seconds since the epoch */
	uint64_t bytes, entries; /* the sum of the files' sizes, and how many; not what they take on disk */
};

/* Whether a snapshot may be called so: a plain name (text_is_name) of at most SNAPSHOT_NAME_MAX bytes. */
bool snapshot_name_valid(const char *name);

/* -ENOENT: there is none of that name. */
int snapshot_read(int user_fd, const char *name, struct snapshot *snapshot, struct carrel_error *err);

/* All of them, sorted by time: free(*list). Returns how many, or -errno. */
int snapshot_list(int user_fd, struct snapshot **list, struct carrel_error *err);

/* -EEXIST: the name is taken. */
int snapshot_take(int user_fd, uid_t uid, const char *name, const char *by, struct carrel_error *err);
/* Remove one, its record and its files. -ENOENT: there is none of that name. */
int snapshot_drop(int user_fd, uid_t uid, const char *name, struct carrel_error *err);

/* Back to what the root filesystem and home were; the snapshot stays. */
int rootfs_rollback(int user_fd, uid_t uid, const char *name, struct carrel_error *err);

/* Back to the bare image. */
int rootfs_reset(int user_fd, uid_t uid, bool keep_home, struct carrel_error *err);

/*
 * On to another image: `rebase` is given the staged copy of upper ("upper" of staging_fd), without what ties it to the old
 * image, to take out what would hide the new one. The home stays.
 */
int rootfs_rebase(int user_fd, uid_t uid, const char *image,
		  int (*rebase)(int staging_fd, void *arg, struct carrel_error *err), void *arg,
		  struct carrel_error *err);

/* Finish or undo what was left, up to step 3. At once 0 when nothing was. */
int change_recover(int user_fd, uid_t uid, struct carrel_error *err);

/*
 * The image that the user, or a snapshot, is on as soon as a change that is committed has been carried out. -ENOENT: there is no such
 * change.
 */
int change_image(int user_fd, char image[IMAGE_NAME_MAX + 1], struct carrel_error *err);

/* Whether something was left: then no session may start before it is finished. */
bool change_pending(int user_fd);

/* Whether change_sweep() has something to do. */
bool change_to_sweep(int user_fd);

/* Remove what changes have put away. Under the same conditions as they, and after change_recover(). At once 0 when there is nothing. */
int change_sweep(int user_fd, uid_t uid, struct carrel_error *err);

/* Both, and whether there is a file that was being written and has no use any more. */
bool change_remains(int user_fd);

#endif
