/*
 * host_source.h - what of the host may be shown in a sandbox: the sources of binds, and a home of the host.
 */
#ifndef CARREL_HOST_SOURCE_H
#define CARREL_HOST_SOURCE_H

#include <sys/stat.h>

#include "error.h"
#include "policy.h"

/*
 * Open a source (O_PATH) and look whether it may be one: only root can arrange where the path leads, it is a directory or a regular
 * file, and nothing of Carrel's own. Sets *st. Descriptor, -EPERM with a message, or -errno.
 */
int host_source_open(const char *path, struct stat *st, struct carrel_error *err);

/* home = "host": the user's own home likewise. Descriptor (O_PATH) or -errno. */
int host_source_open_home(const struct user_facts *user, struct carrel_error *err);

/*
 * Whether `target` can be a mount point for `source` in the image: a link on the way would have to be replaced, and the image with
 * it. -ENOTDIR, or 0.
 */
int host_source_check_target(int image_fd, const char *target, const struct stat *source,
			     struct carrel_error *err);

/*
 * Whether a session goes on without this bind, for which `r` came out: it is optional, and missing (-ENOENT) or of a filesystem that
 * cannot be idmapped (-EINVAL).
 */
bool host_source_may_be_left_out(const struct bind_mount *bind, int r);

#endif
