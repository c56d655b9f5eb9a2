/*
 * image_staging.h - directories of CARREL_IMAGES that are no image yet, or no longer.
 *
 * ".staging-NAME-PID" is being filled, ".removed-NAME-PID" is being emptied. Whoever does so holds an exclusive
 * flock on the directory, so that one whose process died is told from one at work without asking for pids. No
 * image's name starts with a dot.
 */
#ifndef CARREL_CTL_IMAGE_STAGING_H
#define CARREL_CTL_IMAGE_STAGING_H

#include "core/error.h"
#include "core/image.h"

struct staging {
	int images_fd; /* CARREL_IMAGES */
	int fd;	       /* the directory, locked */
	int rootfs_fd; /* "rootfs" in it */
	char name[IMAGE_NAME_MAX + 32];
};

#define STAGING_NONE                                                   \
	{                                                              \
		.images_fd = -EBADF, .fd = -EBADF, .rootfs_fd = -EBADF \
	}

/* Make and lock an empty one for the image `name`, having removed those that were left. 0 or -errno. */
int staging_open(struct staging *staging, const char *name, struct carrel_error *err);

/* Write everything to disk, then let it be the image `name`. -EEXIST when there is one already. */
int staging_commit(struct staging *staging, const char *name, struct carrel_error *err);

/* Remove it, unless it became an image, and close. */
int staging_close(struct staging *staging, struct carrel_error *err);

/* Remove those that were left. Returns how many, or -errno. */
int staging_sweep(struct carrel_error *err);

/*
 * Remove the image `name` unless `in_use` has something against it. It is asked while nobody can begin to use the image (image_lock):
 * who is not seen then never had it. The image is out of sight before anything of it goes. -ENOENT when there is none, -EBUSY while
 * somebody has it locked.
 */
int staging_retire(const char *name, int (*in_use)(const char *name, struct carrel_error *err),
		   struct carrel_error *err);

#endif
