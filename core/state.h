/*
 * state.h - one user's state on disk: CARREL_USERS/UID, whose it is, and the lock on it.
 *
 *	owner		the account, by uid, name and home (account.h); the file's mtime is the last login, or when it was adopted
 *	ids		its block of ids (idmap.h)
 *	image		the image it was first given, or was upgraded to
 *	snapshot.NAME	what the snapshot NAME is (change.h)
 *	outcome		what became of the user's last requests from inside, for them to read
 *	faults		the user's history (faults.h), and faults.old: of a state that is kept aside, or about to be
 *	journal		a change that is not finished (change.h)
 *
 * and below storage_open()'s directory upper, work, home, snapshots/NAME.
 *
 * A uid that a new account has got starts with a fresh state: the old one is kept aside as "UID.NAME.TIME" beside it, and can be
 * adopted by an account with its uid. A state that is being removed is ".removed-…".
 */
#ifndef CARREL_STATE_H
#define CARREL_STATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "image.h"

#define STATE_OWNER   "owner"
#define STATE_IMAGE   "image"
#define STATE_OUTCOME "outcome"
#define STATE_IDS     "ids"
#define STATE_FAULTS  "faults"
#define STATE_REMOVED ".removed-"

#define STATE_NAME_MAX 128 /* of a directory of CARREL_USERS, with the NUL */

/* A home directory of the host, to know it again. Without its device, whose number is another one after a restart. */
struct home_id {
	uint64_t inode; /* 0: there is none, or it is not known */
	uint64_t birth; /* nanoseconds since the epoch; 0: the filesystem does not say */
};

struct state_owner {
	uid_t uid;
	char name[96];
	uint64_t since;	     /* seconds since the epoch: the first login */
	uint64_t last_login; /* likewise */
	struct home_id
		home; /* as it was last seen; an owner that was written by an earlier version has none */
};

/* -ENOENT: nobody has logged in yet. -EBADMSG: damaged. */
int state_read_owner(int user_fd, struct state_owner *owner, struct carrel_error *err);
/* All but last_login, which becomes now. */
int state_write_owner(int user_fd, const struct state_owner *owner, struct carrel_error *err);
/* Now is the last login. */
void state_mark_login(int user_fd);

/* The image the user is on. -ENOENT: none yet. */
int state_read_image(int user_fd, char name[IMAGE_NAME_MAX + 1], struct carrel_error *err);
/* Put the user on an image; what they have changed in another one is the caller's to see to. 0 or -errno. */
int state_write_image(int user_fd, const char *name, struct carrel_error *err);

/* Whether `name` is that of a state: "UID", or "UID.NAME.TIME" of one kept aside. Sets *uid and *kept. */
bool state_name_valid(const char *name, uid_t *uid, bool *kept);

/*
 * Take the lock of the state `name` of users_fd. The directory that it is returned for (O_RDONLY) still has that name.
 * -ENOENT: there is none. -ETIMEDOUT, -errno.
 */
int state_lock(int users_fd, const char *name, int timeout_ms, struct carrel_error *err);

/* The same for CARREL_USERS/UID. */
int state_lock_uid(uid_t uid, int timeout_ms, struct carrel_error *err);

/* CARREL_USERS/UID, to look (O_RDONLY). Descriptor, -ENOENT when there is none, or -errno. */
int state_open(uid_t uid);

/*
 * Keep the state of `owner` aside: no session uses it, and its lock is held. The name it then has goes to `name`. 0 or -errno.
 * Whoever looks for a free block of ids (idmap.h) waits meanwhile: they read the names of all states.
 */
int state_keep_aside(int users_fd, const struct state_owner *owner, char name[STATE_NAME_MAX],
		     struct carrel_error *err);

/*
 * Make the state that is kept aside as `kept` that of `uid` again: no session uses either, and their locks are held. The one that
 * takes its place aside is that of `now`, and its name goes to `name`; NULL: there is none. In between, when this is cut off,
 * that one has the name `kept`. -EEXIST: there is one after all. 0 or -errno.
 */
int state_adopt(int users_fd, const char *kept, uid_t uid, const struct state_owner *now,
		char name[STATE_NAME_MAX], struct carrel_error *err);

/*
 * Remove the state `name`, whose lock is held and which nothing uses: out of sight first, so that it is never half there.
 * state_sweep removes what was left of such. Returns how many, or the first -errno, having gone on.
 */
int state_remove(int users_fd, const char *name, struct carrel_error *err);
int state_sweep(int users_fd, struct carrel_error *err);

#endif
