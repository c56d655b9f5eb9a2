/*
 * rootfs.h - what the `rootfs` verbs share: whose root filesystem, its lock, and where its files are.
 */
#ifndef CARREL_CTL_ROOTFS_H
#define CARREL_CTL_ROOTFS_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"
#include "core/state.h"
#include "ctl.h"

struct rootfs {
	char dir[STATE_NAME_MAX]; /* "UID", or "UID.NAME.TIME" of one that is kept aside */
	uid_t uid;
	bool kept;
	struct state_owner owner;	/* name "" when it cannot be read */
	char image[IMAGE_NAME_MAX + 1]; /* "" when there is none yet */
	int live;			/* sessions */
	bool mounted;			/* some of them use it: it is in the vault */

	int users_fd;
	int lock_fd;	/* the state directory: locked, or only open while sessions are live */
	int content_fd; /* the directory of upper, work, home and snapshots */
};

#define ROOTFS_NONE                                                         \
	{                                                                   \
		.users_fd = -EBADF, .lock_fd = -EBADF, .content_fd = -EBADF \
	}

void rootfs_close(struct rootfs *rootfs);
#define _cleanup_rootfs_ __attribute__((cleanup(rootfs_close)))

/* Find what `word` means: a user's name, a uid, or the name of a state that is kept aside. -ENOENT: there is none. */
int rootfs_find(struct rootfs *rootfs, const char *word, struct carrel_error *err);

/* The one in use of a uid, whosever it is. -ENOENT: there is none. */
int rootfs_find_uid(struct rootfs *rootfs, uid_t uid, struct carrel_error *err);

/*
 * For a change: end the sessions (`kill`) or refuse when there are any (-EBUSY), lock, finish what was interrupted. Sets lock_fd.
 * What is left of sessions without a keeper is removed.
 */
int rootfs_take(struct rootfs *rootfs, bool kill, struct carrel_error *err);

/* The same for who removes it all: what was interrupted stays as it is. */
int rootfs_take_as_is(struct rootfs *rootfs, bool kill, struct carrel_error *err);

/* To look: sets lock_fd and content_fd, also while sessions are live. */
int rootfs_look(struct rootfs *rootfs, struct carrel_error *err);

/* Call `visit` for every state, in the order of uids, each opened by rootfs_find. What is not 0 ends it. */
int rootfs_each(int (*visit)(struct rootfs *rootfs, void *arg, struct carrel_error *err), void *arg,
		struct carrel_error *err);

/* The user's name for messages and tables: of the owner, else the number. */
const char *rootfs_user(const struct rootfs *rootfs, char *buf, size_t size);

/* What a part of it holds. Blocks that are shared count for each. */
struct rootfs_size {
	uint64_t bytes; /* on disk */
	uint64_t files; /* entries that are not directories, whiteouts among them */
};

/* Of these directories below dirfd together (NULL ends the list), each of which may be missing. Files with many names count once. */
int rootfs_measure(int dirfd, const char *const *paths, struct rootfs_size *size, struct carrel_error *err);

/* "1.5M". Returns buf. */
const char *rootfs_format_size(char *buf, size_t size, uint64_t bytes);

/* The whole as a session would see it, without the home: a mount of its own when no session is live. Descriptor or -errno. */
int rootfs_merged(struct rootfs *rootfs, struct carrel_error *err);

#endif
