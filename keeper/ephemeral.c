/* ephemeral.c - see ephemeral.h. Run by the keeper, as root; nothing of it is in any namespace that stays. */
#include "ephemeral.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/mountfd.h"
#include "core/overlay.h"
#include "core/pinned.h"
#include "core/storage.h"
#include "rootfs.h"

#define AT		"/mnt" /* of the template */
#define BYTES_PER_INODE 4096

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* UNIT_NONE, where no memory is limited: the kernel's default. */
static void plan(const struct policy *policy, uint64_t *bytes, uint64_t *inodes)
{
	const struct limits *user = &policy->user_limits;
	uint64_t memory = least(policy->limits.memory, user->memory);

	if (policy->group[0])
		memory = least(memory, policy->group_limits.memory);
	*bytes = least(memory == UNIT_NONE ? UNIT_NONE : memory / 2, user->disk);
	*inodes = least(*bytes == UNIT_NONE ? UNIT_NONE : *bytes / BYTES_PER_INODE, user->inodes);
}

static int new_tmpfs(const struct keeper *k, struct carrel_error *err)
{
	struct mountfd_option options[5] = { { "source", "carrel" }, { "mode", "0700" } };
	uint64_t bytes, inodes;
	char size[32], count[32];
	size_t n = 2;

	plan(&k->policy, &bytes, &inodes);
	snprintf(size, sizeof(size), "%" PRIu64, bytes);
	snprintf(count, sizeof(count), "%" PRIu64, inodes);
	if (bytes != UNIT_NONE)
		options[n++] = (struct mountfd_option){ "size", size };
	if (inodes != UNIT_NONE)
		options[n++] = (struct mountfd_option){ "nr_inodes", count };
	options[n] = (struct mountfd_option){ NULL, NULL };
	return mountfd_new("tmpfs", options, MOUNT_ATTR_NODEV, err);
}

/* In a namespace of its own, since the kernel wants layers to be of the caller's. The mounts made here stay with their descriptors. */
static int assemble(struct keeper *k, int tmpfs, int lower, struct carrel_error *err)
{
	uint64_t attrs = MOUNT_ATTR_NODEV | (k->policy.login_as == LOGIN_USER ? MOUNT_ATTR_NOSUID : 0);
	struct mount_attr own = { .attr_set = attrs };

	if (unshare(CLONE_NEWNS) < 0)
		return error_errno(err, "cannot make a mount namespace");
	int r = mountfd_attach(tmpfs, AT_FDCWD, AT, err);
	if (r == 0)
		r = mountfd_attach(lower, AT_FDCWD, AT "/lower", err);
	if (r < 0)
		return r;
	k->rootfs_fd = overlay_new(AT, err);
	if (k->rootfs_fd < 0)
		return k->rootfs_fd;
	if (mount_setattr(k->rootfs_fd, "", AT_EMPTY_PATH, &own, sizeof(own)) < 0)
		return error_errno(err, "cannot set the attributes of the root filesystem");
	k->disk_fd = open(AT "/home", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (k->policy.home == HOME_HOST)
		return 0;
	k->home_fd = mountfd_clone(AT_FDCWD, AT "/home", attrs, -1, err);
	return k->home_fd < 0 ? k->home_fd : 0;
}

int ephemeral_open(struct keeper *k, int image_fd, struct carrel_error *err)
{
	_cleanup_close_ int tmpfs = new_tmpfs(k, err);
	int r = tmpfs < 0 ? tmpfs
			  : storage_make_dirs(tmpfs, &k->ids, k->ids.uid_base + rootfs_inner_uid(k),
					      k->ids.gid_base + rootfs_inner_gid(k), err);
	if (r < 0)
		return error_context(err, "cannot make a root filesystem in memory");
	_cleanup_close_ int lower = rootfs_lower(k, image_fd, err);
	if (lower < 0)
		return lower;
	/* From the template, which is small to copy; the copy ends when it is left. */
	int host = pinned_enter(PINNED_TEMPLATE, err);
	if (host < 0)
		return host;
	r = assemble(k, tmpfs, lower, err);
	int back = pinned_leave(host, r < 0 ? NULL : err);
	return r < 0 ? r : back;
}
