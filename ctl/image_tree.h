/*
 * image_tree.h - what is in an image, entry by entry, with digests: to tell later what was changed.
 *
 * CARREL_IMAGES/NAME/files has a record for each, in the order of a walk (a directory before what is in it, names by
 * their bytes), each ended by a NUL, since names may hold anything else:
 *
 *	KIND MODE UID GID SIZE CONTENT ATTRIBUTES PATH
 *
 * KIND is a letter as in ls(1), MODE octal; CONTENT is the SHA-256 of a file's data or a link's target,
 * ATTRIBUTES that of the extended attributes, or "-"; PATH has no slash at its start, and is empty for the root.
 * The manifest has the SHA-256 of the whole list: one digest for the tree.
 */
#ifndef CARREL_CTL_IMAGE_TREE_H
#define CARREL_CTL_IMAGE_TREE_H

#include <stdint.h>

#include "core/error.h"
#include "digest.h"
#include "progress.h"

#define TREE_FILES	"files"
#define TREE_PATH_MAX	4096
#define TREE_RECORD_MAX (TREE_PATH_MAX + 256)

struct tree_walk {
	int rootfs_fd;
	struct progress *progress;
	uint64_t entries_expected; /* for the progress */
	/* Called for each entry, with its record. 0, or -errno to end the walk with. */
	int (*each)(void *arg, const char *record, struct carrel_error *err);
	void *arg;
};

/* 0, or -errno: the walk's, a signal's or that of `each`. */
int tree_walk(const struct tree_walk *walk, struct carrel_error *err);

/* The PATH of a record, NULL when it is not one. */
const char *tree_record_path(const char *record);

/* In the order of a walk: less than, equal to or greater than 0, as strcmp(3). */
int tree_compare_paths(const char *a, const char *b);

/* Write the list of `walk` (which needs no `each`) into an image's directory, and its digest to `hex`. */
int tree_write(const struct tree_walk *walk, int image_fd, char hex[DIGEST_HEX_MAX],
	       struct carrel_error *err);

#endif
