/*
 * layer.h - walking a tree that a user filled, beside the same places of the images below it.
 */
#ifndef CARREL_CTL_LAYER_H
#define CARREL_CTL_LAYER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "core/error.h"

#define LAYER_UNDER_MAX 2

struct layer_entry {
	const char *path; /* "/etc/passwd"; "/" is the first */
	const char *name; /* below dirfd; "." for "/" */
	int dirfd;
	struct stat st;
	bool whiteout; /* hides what is below it */
	bool opaque;   /* a directory that does */
	bool hidden;   /* in an opaque directory, however deep: no image shows here, whatever `under` has */
	struct {
		int dirfd; /* where it would be in the image, or -EBADF */
		bool there;
		struct stat st;
	} under[LAYER_UNDER_MAX];
};

/*
 * Call `visit` for everything in the directory `root`, in the order of names, a directory before what is in it, with its places in
 * the directories `under` (`count` of them). It may remove the entry, if that is no directory. It follows no link, crosses no mount,
 * and what is not 0 ends the walk. 0, the visitor's result, or -errno.
 */
int layer_walk(int root, const int *under, size_t count,
	       int (*visit)(const struct layer_entry *entry, void *arg, struct carrel_error *err), void *arg,
	       struct carrel_error *err);

/* How an entry of the user's layer differs from the image's. The block of ids begins at `base`. */
enum layer_difference {
	LAYER_SAME, /* copied up, and nothing else */
	LAYER_ATTRIBUTES,
	LAYER_CONTENT,
	LAYER_TYPE,
};

struct layer_place {
	int dirfd;
	const char *name;
	const struct stat *st;
	uid_t uid_base; /* of owners here: 0 in an image */
	gid_t gid_base;
};

/* enum layer_difference, or -errno. Times do not count. */
int layer_compare(const struct layer_place *a, const struct layer_place *b, struct carrel_error *err);

#endif
