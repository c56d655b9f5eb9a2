/*
 * fs_walk.h - walk whole directory trees that their user may have made as deep, wide or odd as they could.
 *
 * For trees that nobody changes meanwhile, below directories that are root's alone: no session of the user is live. Should somebody
 * change one all the same, the walk stays in it: each directory is entered by openat2 of one component, following no link and entering no
 * mount, and left for the one that it was entered from, or not at all (-ESTALE).
 */
#ifndef CARREL_FS_WALK_H
#define CARREL_FS_WALK_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

/* Called for what is found; anything but 0 ends the walk and is its result. Each may be NULL. */
struct fs_visitor {
	const char *verb; /* of messages: "cannot VERB 'name': …" */
	int (*file)(void *arg, int dirfd, const char *name, const struct stat *st); /* all but directories */
	int (*enter)(void *arg, int dirfd, const char *name,
		     const struct stat *st);			/* before what is in it */
	int (*leave)(void *arg, int fd, const struct stat *st); /* after; the directory itself */
	void *arg;
	int64_t deadline; /* of fs_now_ms; 0: none */
};

/*
 * Visit the directory dirfd/name (one component) and all below it, down to any depth, with one descriptor and a few bytes for each level.
 * Follows no link, enters no mount (-EXDEV). -ETIMEDOUT at the deadline, or -errno, with the name of what was looked at last.
 */
int fs_walk_tree(int dirfd, const char *name, const struct fs_visitor *visitor, struct carrel_error *err);

/*
 * Open what a visitor was told of, which is regular, a directory, or anything with O_PATH. -ESTALE when something else has that name by
 * now; that is not even opened, so a FIFO or a device does nothing. A descriptor or -errno.
 */
int fs_open_visited(int dirfd, const char *name, const struct stat *st, int flags);

#endif
