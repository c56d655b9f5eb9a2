/*
 * idmap.h - the block of host ids that is one user's sandbox: container 0..65535 -> base..base+65535.
 */
#ifndef CARREL_IDMAP_H
#define CARREL_IDMAP_H

#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define IDMAP_COUNT 65536u

struct idmap {
	uint32_t uid_base;
	uint32_t gid_base;
};

/*
 * The block of user `uid`/`name`, whose state directory is open as user_fd: the remembered one from its file
 * "ids", else the first range of at least 65536 ids in /etc/subuid and /etc/subgid (libsubid, loaded
 * only then), else a new one that no other user of users_fd has. Remembered before it is returned.
 * The caller holds the lock on users_fd. 0 or -errno.
 */
int idmap_get(int users_fd, int user_fd, uid_t uid, const char *name, struct idmap *map,
	      struct carrel_error *err);

/* The remembered block alone. 0, -ENOENT: there is none yet, or -errno. */
int idmap_remembered(int user_fd, struct idmap *map);

/*
 * A descriptor of a new user namespace with the given maps, for mount_setattr(MOUNT_ATTR_IDMAP). The lines
 * are of the form user_namespaces(7) describes: "<inside> <outside> <count>\n". Descriptor or -errno.
 */
int idmap_userns(const char *uid_map, const char *gid_map, struct carrel_error *err);

#endif
