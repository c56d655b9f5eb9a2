/* vault.c - see vault.h. Run by the keeper and carrelctl, as root. */
#include "vault.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "disk_image.h"
#include "paths.h"
#include "pinned.h"

static bool is_mounted(const char *at)
{
	struct statx stx;

	return statx(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void give_back(const char *at, int image)
{
	_cleanup_close_ int fd = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0 && image >= 0)
		disk_image_give_back(fd, image);
}

int vault_release(uid_t uid, struct carrel_error *err)
{
	char at[16], path[64];
	int r = 0;

	/* By its path of the host, which the vault has not. */
	snprintf(path, sizeof(path), CARREL_USERS "/%u/" DISK_IMAGE, uid);
	_cleanup_close_ int image = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int host = pinned_enter_existing(PINNED_VAULT, err);
	if (host < 0)
		return host == -ENOENT ? 0 : host;
	snprintf(at, sizeof(at), "/%u", uid);
	bool mounted = is_mounted(at);
	if (mounted)
		give_back(at, image);
	if (mounted && umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		r = error_errno(err, "cannot unmount the root filesystem of uid %u", uid);
	rmdir(at);
	int back = pinned_leave(host, r < 0 ? NULL : err);
	return r < 0 ? r : back;
}

static int open_below(uid_t uid, const char *below, struct carrel_error *err)
{
	char at[32];
	int fd = -1, host = pinned_enter_existing(PINNED_VAULT, err);

	if (host < 0)
		return host;
	snprintf(at, sizeof(at), "/%u%s", uid, below);
	if (!is_mounted(at))
		error_set(err, ENOENT, "the root filesystem of uid %u is not mounted", uid);
	else if ((fd = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
		error_errno(err, "cannot open the root filesystem of uid %u", uid);
	int result = fd < 0 ? -err->code : fd;
	int r = pinned_leave(host, fd < 0 ? NULL : err);
	if (r == 0)
		return result;
	close_fd(&fd);
	return r;
}

int vault_open_state(uid_t uid, struct carrel_error *err)
{
	return open_below(uid, "", err);
}

int vault_open_rootfs(uid_t uid, struct carrel_error *err)
{
	return open_below(uid, "/root", err);
}
