/*
 * idmap.h - the block of host ids that is one user's sandbox: container 0..65535 -> base..base+65535.
 */
#ifndef CARREL_IDMAP_H
#define CARREL_IDMAP_H

#include <stdbool.h>
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
 * only then), else a new one. Remembered before it is returned. No new block overlaps with that of another
 * state, with what these files give to somebody else, or with systemd's range for containers, or has `uid` itself in it, or the
 * uid or group of a login that NSS lists: a range that does is not used, and `note` says why. A remembered one is used
 * whatever has become of these since (`carrelctl doctor` looks). -EEXIST: the uid itself is in a sandbox's block. The
 * caller holds the lock on users_fd. 0 or -errno.
 */
int idmap_get(int users_fd, int user_fd, uid_t uid, const char *name, struct idmap *map,
	      struct carrel_error *note, struct carrel_error *err);

/* Whether no block may be there, whoever has it: ids of the system, systemd's containers. Sets `why`. */
bool idmap_is_reserved(const struct idmap *map, struct carrel_error *why);

/*
 * Whether it may not be this account's: reserved, a login's, or in part that of another state or given to somebody else in /etc/subuid or
 * /etc/subgid. 1 with the reason, 0, or -errno.
 */
int idmap_is_refused(int users_fd, uid_t uid, const char *name, const struct idmap *map,
		     struct carrel_error *why);

/* The login itself must not be one of the ids of somebody's sandbox, which they could then act as: -EEXIST. */
int idmap_check_login(int users_fd, uid_t uid, struct carrel_error *err);

/* The remembered block alone: -ENOENT when there is none. */
int idmap_read(int user_fd, struct idmap *map, struct carrel_error *err);

/*
 * The lines of a map for a mount of the host's files: the host's `id` is `inner` of the block at `base`, the rest of the block
 * nobody's, and all others are as on the host. (Which the sandbox sees as nobody, having no such ids; but were they outside the
 * map, the kernel would let nobody write their files, whatever the mode says.) 0 or -ENAMETOOLONG.
 */
#define IDMAP_LINES_MAX 160
int idmap_host_lines(uint32_t id, uint32_t base, uint32_t inner, char out[IDMAP_LINES_MAX]);

/*
 * A descriptor of a new user namespace with the given maps, for mount_setattr(MOUNT_ATTR_IDMAP). The lines
 * are of the form user_namespaces(7) describes: "<inside> <outside> <count>\n". Descriptor or -errno.
 */
int idmap_userns(const char *uid_map, const char *gid_map, struct carrel_error *err);

#endif
