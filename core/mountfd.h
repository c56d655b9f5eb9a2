/*
 * mountfd.h - mounts as descriptors: fsopen(2), open_tree(2), mount_setattr(2), move_mount(2).
 */
#ifndef CARREL_MOUNTFD_H
#define CARREL_MOUNTFD_H

#include <stdint.h>

#include "error.h"

struct mountfd_option {
	const char *key;   /* NULL ends the list */
	const char *value; /* NULL: a flag */
};

/* A new, detached filesystem of `type`. `attrs` is a set of MOUNT_ATTR_*. Descriptor or -errno. */
int mountfd_new(const char *type, const struct mountfd_option *options, uint64_t attrs,
		struct carrel_error *err);

/*
 * A detached, private clone of the tree at dirfd/path ("" is dirfd itself; not followed if a symlink), with the attributes added and, when
 * `userns` >= 0, idmapped by it. A clone of a shared host mount would let mounts of the sandbox appear on the
 * host, so private always. Descriptor or -errno.
 */
int mountfd_clone(int dirfd, const char *path, uint64_t attrs, int userns, struct carrel_error *err);

/* Attach a detached mount at dirfd/path, which is not followed ("" is dirfd itself). 0 or -errno. */
int mountfd_attach(int fd, int dirfd, const char *path, struct carrel_error *err);

#endif
