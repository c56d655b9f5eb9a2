/* disk.c - see disk.h. */
#include "disk.h"

#include <sys/statvfs.h>

#include "core/paths.h"
#include "core/units.h"
#include "watch_groups.h"

/* Blocks that ext4 keeps for root are nobody's: neither left nor allowed. */
static struct disk_room bytes_of(const struct statvfs *st)
{
	uint64_t used = (uint64_t)(st->f_blocks - st->f_bfree) * st->f_frsize;
	uint64_t left = (uint64_t)st->f_bavail * st->f_frsize;

	return (struct disk_room){ .total = used + left, .used = used, .left = left };
}

/* Some filesystems make files as they need them, and have no number of them. */
static struct disk_room files_of(const struct statvfs *st)
{
	uint64_t left = st->f_files ? st->f_favail : UNIT_NONE;

	return (struct disk_room){ .total = st->f_files, .used = st->f_files - st->f_ffree, .left = left };
}

/*
 * A quota or an image makes the user's filesystem another than the host's. The host may be full all the same: an image is
 * sparse, and a quota is no promise. A new image is a little larger than the limit, and a quota goes by blocks: what
 * comes to nearly the same as the policy had at the login is told as the policy has it.
 */
static void find_level(struct disk_room *mine, const struct disk_room *host, uint64_t least, uint64_t policy)
{
	mine->level = mine->total != host->total ? LEVEL_USER : LEVEL_HOST;
	if (host->left < least)
		*mine = (struct disk_room){ LEVEL_HOST, host->total, host->used, host->left };
	uint64_t apart = mine->total > policy ? mine->total - policy : policy - mine->total;
	if (mine->level == LEVEL_USER && policy != UNIT_NONE && apart <= policy / 16)
		mine->total = policy;
}

bool disk_look(const struct keeper *k, struct disk_room *bytes, struct disk_room *files)
{
	struct statvfs mine, host;

	if (k->disk_fd < 0 || fstatvfs(k->disk_fd, &mine) < 0)
		return false;
	*bytes = bytes_of(&mine);
	*files = files_of(&mine);
	if (k->policy.rootfs == ROOTFS_EPHEMERAL) {
		bytes->level = files->level = LEVEL_SESSION;
		return true;
	}
	if (statvfs(CARREL_USERS, &host) < 0)
		return false;
	const struct disk_room host_bytes = bytes_of(&host), host_files = files_of(&host);
	find_level(bytes, &host_bytes, disk_full(host_bytes.total), k->policy.user_limits.disk);
	find_level(files, &host_files, 1, k->policy.user_limits.inodes);
	return true;
}
