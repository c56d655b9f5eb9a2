/*
 * rootfs_merged.c - see rootfs_merged in rootfs.h. Without a session nobody has the overlay mounted; then it is mounted in a mount
 * namespace of this process, which ends with it. Two mounts of one upper are undefined, so the lock is held until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/idmap.h"
#include "core/mountfd.h"
#include "core/overlay.h"
#include "core/paths.h"
#include "core/pinned.h"
#include "core/vault.h"
#include "rootfs.h"

#define STATE_AT CARREL_NS_DIR "/state"

/* The image with its owners shifted into the user's block. */
static int clone_image(const struct rootfs *rootfs, struct carrel_error *err)
{
	char uid_map[64], gid_map[64];
	struct idmap ids;
	_cleanup_close_ int image = image_open(rootfs->image, err);
	int r = image < 0 ? image : idmap_read(rootfs->lock_fd, &ids, err);

	if (r < 0)
		return r;
	(void)snprintf(uid_map, sizeof(uid_map), "0 %u %u\n", ids.uid_base, IDMAP_COUNT);
	(void)snprintf(gid_map, sizeof(gid_map), "0 %u %u\n", ids.gid_base, IDMAP_COUNT);
	_cleanup_close_ int userns = idmap_userns(uid_map, gid_map, err);
	return userns < 0 ? userns
			  : mountfd_clone(image, "", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, userns, err);
}

/* A mount namespace of our own, and in it a place to mount: the host sees nothing of it. */
static int leave_host(struct carrel_error *err)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("carrel", CARREL_NS_DIR, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0700,size=1m") < 0 ||
	    mkdir(STATE_AT, 0700) < 0)
		return error_errno(err, "cannot make a mount namespace");
	return 0;
}

int rootfs_merged(struct rootfs *rootfs, struct carrel_error *err)
{
	if (rootfs->mounted)
		return vault_open_rootfs(rootfs->uid, err);
	int r = pinned_prepare(err);
	if (r < 0)
		return r;
	_cleanup_close_ int image = clone_image(rootfs, err);
	_cleanup_close_ int state = image < 0 ? image
					      : mountfd_clone(rootfs->content_fd, "", MOUNT_ATTR_NODEV, -1,
							      err);
	r = state < 0 ? state : leave_host(err);
	if (r == 0)
		r = mountfd_attach(state, AT_FDCWD, STATE_AT, err);
	if (r == 0)
		r = mountfd_attach(image, AT_FDCWD, STATE_AT "/lower", err);
	_cleanup_close_ int overlay = r < 0 ? r : overlay_new(STATE_AT, err);
	if (overlay < 0)
		return error_context(err, "cannot mount the root filesystem");
	int fd = openat(overlay, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open the root filesystem") : fd;
}
