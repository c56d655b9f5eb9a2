/*
 * disk_image.h - CARREL_USERS/UID/disk.img: an ext4 filesystem in a sparse file, whose size is the limit.
 *
 * For filesystems that have no project quotas. Only what is used takes space (what is deleted is given back), and no two devices
 * ever stand for one image: a flock on it goes with the device.
 */
#ifndef CARREL_DISK_IMAGE_H
#define CARREL_DISK_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "policy.h"

#define DISK_IMAGE     "disk.img"
#define DISK_IMAGE_NEW "disk.img.new"

/* What an image is like: from its superblock, or as limits want it. */
struct disk_image {
	uint64_t blocks, inodes; /* of which it consists */
	uint64_t used_blocks, used_inodes;
	uint32_t block_size;
	bool damaged;
};

/* Whether this system can have images: -ENOTSUP with a message when not. */
int disk_image_available(struct carrel_error *err);

/*
 * The image for these limits of a user, on a filesystem of `host_bytes`. Content gets what the limits say, and what the filesystem
 * itself needs comes on top.
 */
void disk_image_plan(const struct limits *limits, uint64_t host_bytes, struct disk_image *plan);

/* Whether `have` is as good as `plan`, but for the rounding of mkfs.ext4. */
bool disk_image_fits(const struct disk_image *have, const struct disk_image *plan);

/* Make the file DISK_IMAGE_NEW in dirfd, with an empty filesystem in it. 0 or -errno. */
int disk_image_make(int dirfd, const struct disk_image *plan, int timeout_ms, struct carrel_error *err);

/* Read the superblock of dirfd/name. 0, -ENOENT, or -errno. Up to date when it is not mounted. */
int disk_image_read(int dirfd, const char *name, struct disk_image *image, struct carrel_error *err);

/*
 * Mount dirfd/name: a detached mount, nosuid and nodev. When the image is still in use, waits until it is not, at most
 * timeout_ms. One that the kernel has found errors in is repaired by e2fsck first, if it is safe to. Descriptor or -errno.
 */
int disk_image_mount(int dirfd, const char *name, int timeout_ms, struct carrel_error *err);

/*
 * Make a mounted image larger; `root` is any directory in it, dirfd/DISK_IMAGE its file. 0, or -errno, -EPERM where this
 * system's root lacks CAP_SYS_RESOURCE.
 */
int disk_image_grow(int dirfd, int root, const struct disk_image *plan, struct carrel_error *err);

/*
 * Write what the users of a mounted image wrote, and give back to the host what they deleted: before it is unmounted. `root` is any
 * directory in it, `image` its open file. Failures change nothing but how much space the file takes.
 */
void disk_image_give_back(int root, int image);

#endif
