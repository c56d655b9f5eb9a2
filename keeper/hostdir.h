/*
 * hostdir.h - directories and files of the host in the sandbox: ~/.ssh, a host home, and what the policy binds.
 *
 * All come in through an idmapped mount that shows the user's host uid and primary group as the ids they have inside, and stores
 * new files back the same way. Everybody else is nobody there. Always nosuid and nodev, and never propagating.
 */
#ifndef CARREL_HOSTDIR_H
#define CARREL_HOSTDIR_H

#include "keeper.h"

/*
 * A detached, idmapped clone of the mount at `fd` (O_PATH) without what is mounted below it, nosuid, nodev and `attrs`.
 * Descriptor, -EINVAL with a message when the filesystem cannot be idmapped, or -errno.
 */
int hostdir_clone(struct keeper *k, int fd, uint64_t attrs, struct carrel_error *err);

/* home = "host": the user's own home, as hostdir_open_home looks for it, and not yet a mount. Descriptor (O_PATH) or -errno. */
int hostdir_find_home(const struct keeper *k, struct carrel_error *err);

/* home = "host": set home_fd to the user's own home. 0 or -errno. */
int hostdir_open_home(struct keeper *k, struct carrel_error *err);

/*
 * Set bind_fds to what the policy binds; -EBADF for an optional one that cannot be had. `image_fd` is the root of the image,
 * whose links a target must not lead through. 0 or -errno.
 */
int hostdir_open_binds(struct keeper *k, int image_fd, struct carrel_error *err);

#endif
