/*
 * disk.h - how much room there is for what a session writes, and whose limit that is. Run by the keeper, as root.
 *
 * Asked of the filesystems themselves each time: a limit may be changed while a session is open. A project quota and a disk image
 * both show as a filesystem with a size of its own, an ephemeral root filesystem is one.
 */
#ifndef CARREL_DISK_H
#define CARREL_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper.h"

/*
 * Bytes that are left of `total` when it is full: one write(2) of 1 MiB fails as a whole where less is left (ext4 on Linux 6.18),
 * so a dd of a user's is refused with this much room.
 */
static inline uint64_t disk_full(uint64_t total)
{
	return total / 16 < 1024 * 1024 ? total / 16 : 1024 * 1024;
}

/* Of bytes, or of files. */
struct disk_room {
	int level; /* LEVEL_SESSION: ephemeral; LEVEL_USER: a limit of the user's; LEVEL_HOST: none, or the host has less */
	uint64_t total; /* what the level allows in all */
	uint64_t used;
	uint64_t left;
};

/* False: it cannot be told. */
bool disk_look(const struct keeper *k, struct disk_room *bytes, struct disk_room *files);

#endif
