/* rootfs.c - see rootfs.h. Run by the keeper, as root; the overlay is mounted in the vault's namespace. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/image.h"
#include "core/mountfd.h"
#include "core/overlay.h"
#include "core/paths.h"
#include "core/pinned.h"
#include "core/state.h"
#include "core/text.h"
#include "sandbox.h"
#include "sshdir.h"

uid_t rootfs_inner_uid(const struct keeper *k)
{
	if (k->policy.login_as == LOGIN_ROOT)
		return 0;
	return k->user.uid < IDMAP_COUNT - 1 ? k->user.uid : 1000;
}

gid_t rootfs_inner_gid(const struct keeper *k)
{
	if (k->policy.login_as == LOGIN_ROOT)
		return 0;
	return k->user.gid < IDMAP_COUNT - 1 ? k->user.gid : rootfs_inner_uid(k);
}

/* The image of the user: the remembered one, else the policy's, remembered from now on. */
static int pinned_image(struct keeper *k, char name[IMAGE_NAME_MAX + 1], struct carrel_error *err)
{
	int r = state_read_image(k->user_fd, name, err);

	if (r == -ENOENT)
		return text_format(name, IMAGE_NAME_MAX + 1, "%s", k->policy.image);
	return r < 0 ? error_context(err, "uid %u", k->user.uid) : 0;
}

static int remember_image(struct keeper *k, const char *name, struct carrel_error *err)
{
	if (faccessat(k->user_fd, STATE_IMAGE, F_OK, 0) == 0)
		return 0;
	return state_write_image(k->user_fd, name, err);
}

/* The image as the sandbox shall see it: owners shifted into the user's block, read-only. */
static int idmapped_lower(struct keeper *k, int image_fd, struct carrel_error *err)
{
	/* init's map is the right one; the mount keeps the namespace for as long as it needs it. */
	_cleanup_close_ int userns = sandbox_userns(k, err);
	if (userns < 0)
		return userns;
	int fd = mountfd_clone(image_fd, "", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, userns, err);
	return fd < 0 ? error_context(err, "image '%s'", k->record.image) : fd;
}

static int attach_below(int fd, const char *at, const char *name, struct carrel_error *err)
{
	char path[32];

	snprintf(path, sizeof(path), "%s/%s", at, name);
	return mountfd_attach(fd, AT_FDCWD, path, err);
}

/* All of a user's mounts at once: every unmount makes the kernel wait for all CPUs. Nothing there is fine. */
static void detach(const char *at)
{
	umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW);
	rmdir(at);
}

/*
 * In the vault: the user's state directory at /UID, and on the empty directories in it the layers' lower and the
 * overlay (the kernel wants layers to be of the caller's mount namespace).
 */
static int mount_overlay(int lower_fd, int state_fd, const char *at, struct carrel_error *err)
{
	detach(at); /* of a keeper that was killed half way */
	if (mkdir(at, 0700) < 0)
		return error_errno(err, "cannot make '%s' in the vault", at);
	int r = mountfd_attach(state_fd, AT_FDCWD, at, err);
	if (r == 0)
		r = attach_below(lower_fd, at, "lower", err);
	_cleanup_close_ int fd = r == 0 ? overlay_new(at, err) : r;
	if (fd >= 0)
		r = attach_below(fd, at, "root", err);
	if (fd >= 0 && r == 0)
		return 0;
	detach(at);
	return error_context(err, "cannot mount the root filesystem");
}

static bool is_mounted(const char *at)
{
	struct statx stx;

	return statx(AT_FDCWD, at, AT_SYMLINK_NOFOLLOW, 0, &stx) == 0 &&
	       (stx.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* A fallback to read-only is silent: look at what came out. */
static int check_writable(int fd, struct carrel_error *err)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) < 0)
		return error_errno(err, "cannot stat the root filesystem");
	return st.f_flag & ST_RDONLY ? error_set(err, EROFS, "the root filesystem came out read-only") : 0;
}

static int clone_overlay(struct keeper *k, const char *at, struct carrel_error *err)
{
	uint64_t attrs = MOUNT_ATTR_NODEV | (k->policy.login_as == LOGIN_USER ? MOUNT_ATTR_NOSUID : 0);
	_cleanup_close_ int fd = mountfd_clone(AT_FDCWD, at, attrs, -1, err);
	int r = fd < 0 ? fd : check_writable(fd, err);

	return r < 0 ? r : steal_fd(&fd);
}

/* Vault work with everything that needs host paths done before: returns the session's rootfs, detached. */
static int from_vault(struct keeper *k, int image_fd, struct carrel_error *err)
{
	char at[16], root[24];
	int r = 0;

	_cleanup_close_ int state = mountfd_clone(k->user_fd, "", MOUNT_ATTR_NODEV, -1, err);
	if (state < 0)
		return state;
	snprintf(at, sizeof(at), "/%u", k->user.uid);
	snprintf(root, sizeof(root), "%s/root", at);
	int host = pinned_enter(PINNED_VAULT, err);
	if (host < 0)
		return host;
	if (!is_mounted(root)) {
		/* The id map is found in /proc, which the vault has not: out and in again, for the first session. */
		r = pinned_leave(host, err);
		if (r < 0)
			return r;
		_cleanup_close_ int lower = idmapped_lower(k, image_fd, err);
		if (lower < 0)
			return lower;
		host = pinned_enter(PINNED_VAULT, err);
		if (host < 0)
			return host;
		r = mount_overlay(lower, state, at, err);
	}
	_cleanup_close_ int fd = r == 0 ? clone_overlay(k, root, err) : r;
	r = pinned_leave(host, fd < 0 ? NULL : err);
	return fd < 0 ? fd : r < 0 ? r : steal_fd(&fd);
}

/* Directories of the user's state whose owners are the sandbox's root or user. */
static int ensure_state(struct keeper *k, struct carrel_error *err)
{
	uid_t root = k->ids.uid_base, uid = root + rootfs_inner_uid(k);
	gid_t group = k->ids.gid_base, gid = group + rootfs_inner_gid(k);
	const struct {
		const char *name;
		mode_t mode;
		uid_t uid;
		gid_t gid;
	} dirs[] = {
		{ "upper", 0755, root, group }, { "work", 0755, root, group }, { "home", 0700, uid, gid },
		{ "lower", 0700, 0, 0 },	{ "root", 0700, 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		/* What is there already is the user's to chmod; only a new one gets owner and mode. */
		if (faccessat(k->user_fd, dirs[i].name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		int fd = fs_ensure_dir_at(k->user_fd, dirs[i].name, dirs[i].mode, dirs[i].uid, dirs[i].gid,
					  err);
		if (fd < 0)
			return fd;
		close(fd);
	}
	return 0;
}

/* The overlay remembers which files of which filesystem belong together: an image imported anew and a backup are others. */
static int explain_stale(const struct keeper *k, const char *image, struct carrel_error *err)
{
	return error_set(
		err, ESTALE,
		"the root filesystem was not made on this very image '%s': 'carrelctl rootfs upgrade %s "
		"--image %s' mends it",
		image, k->user.name, image);
}

int rootfs_open(struct keeper *k, struct carrel_error *err)
{
	char image[IMAGE_NAME_MAX + 1] = "";

	int r = pinned_image(k, image, err);
	if (r < 0)
		return r;
	_cleanup_close_ int image_fd = image_open(image, err);
	if (image_fd < 0)
		return image_fd;
	memcpy(k->record.image, image, sizeof(image));
	r = ensure_state(k, err);
	if (r == 0)
		r = remember_image(k, image, err);
	if (r < 0)
		return r;
	k->rootfs_fd = from_vault(k, image_fd, err);
	if (k->rootfs_fd == -ESTALE)
		return explain_stale(k, image, err);
	if (k->rootfs_fd < 0)
		return k->rootfs_fd;
	uint64_t attrs = MOUNT_ATTR_NODEV | (k->policy.login_as == LOGIN_USER ? MOUNT_ATTR_NOSUID : 0);
	k->home_fd = mountfd_clone(k->user_fd, "home", attrs, -1, err);
	if (k->home_fd < 0)
		return k->home_fd;
	/* Of the same filesystem, and under the same quota, as all of the user's files; the mount itself is init's. */
	k->disk_fd = openat(k->user_fd, "home", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	state_mark_login(k->user_fd);
	return k->policy.share_ssh_dir ? sshdir_open(k, err) : 0;
}
