/*
 * fstree.h - walk and copy whole directory trees that their user may have made as deep, wide or odd as they could.
 *
 * For trees that nobody changes meanwhile, below directories that are root's alone: no session of the user is live.
 */
#ifndef CARREL_FSTREE_H
#define CARREL_FSTREE_H

#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Called for what is found; anything but 0 ends the walk and is its result. */
struct fstree_visitor {
	int (*file)(void *arg, int dirfd, const char *name, const struct stat *st); /* all but directories */
	int (*enter)(void *arg, int dirfd, const char *name,
		     const struct stat *st);			/* before what is in it */
	int (*leave)(void *arg, int fd, const struct stat *st); /* after; the directory itself */
	void *arg;
	int64_t deadline; /* of fs_now_ms; 0: none */
};

/*
 * Visit the directory dirfd/name (one component) and all below it, down to any depth with one descriptor. Follows no link,
 * crosses no mount (-EXDEV). -ETIMEDOUT at the deadline, or -errno.
 */
int fstree_walk(int dirfd, const char *name, const struct fstree_visitor *visitor);

/*
 * Copy the directory from/name to the directory `to`, which is root's alone and has none of that name: content with its
 * holes, owners, modes, times, extended attributes (all but `without`, which may be NULL) and hard links, also those
 * between trees that are copied with the same `links`, an empty directory beside the copies, removed by the caller.
 * 0 or -errno, with what was copied so far left there.
 */
struct fstree_copy {
	int links;
	int64_t deadline;    /* of fs_now_ms; 0: none */
	const char *without; /* name of an extended attribute */
};
int fstree_copy(int from, const char *name, int to, const struct fstree_copy *how);

/* Make to/as like the link, device, pipe or socket from/name, with all its attributes. 0 or -errno. */
int fstree_copy_special(int from, const char *name, const struct stat *st, int to, const char *as);

#endif
