/*
 * rootfs.h - the floor: what a session's root filesystem is made of, as detached mounts.
 *
 * The user's overlay: lower = the image, read-only, shared, unshifted on disk, through an idmapped mount;
 * upper and work = CARREL_USERS/UID/{upper,work}, whose files carry the shifted ids. An idmapped upper would
 * turn the overlay read-only; they may be in a disk image (core/storage.h). It is mounted once per user, in the vault, while they have a session, and
 * each session gets a clone. Needs Linux 5.19.
 */
#ifndef CARREL_ROOTFS_H
#define CARREL_ROOTFS_H

#include "keeper.h"

/*
 * Fill rootfs_fd, home_fd and ssh_fd of the session. Host root only makes detached mounts from root-owned 0700
 * paths here; what is below is resolved by init, inside. The user's lock is held. 0 or -errno.
 */
int rootfs_open(struct keeper *k, struct carrel_error *err);

/*
 * The limits of disk and files hold exactly from here on. Until then there is room for the login itself, so this comes after
 * READY and before any process of the user's. 0 or -errno.
 */
int rootfs_settle(struct keeper *k, struct carrel_error *err);

/* The image as the sandbox shall see it: owners shifted into the user's block, read-only. Detached mount or -errno. */
int rootfs_lower(struct keeper *k, int image_fd, struct carrel_error *err);

/* The container ids that the user's processes run as. */
uid_t rootfs_inner_uid(const struct keeper *k);
gid_t rootfs_inner_gid(const struct keeper *k);

#endif
