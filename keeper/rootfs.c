/* rootfs.c - see rootfs.h. Run by the keeper, as root; the overlay is mounted in the vault's namespace. */
#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/image.h"
#include "core/log.h"
#include "core/mountfd.h"
#include "core/overlay.h"
#include "core/paths.h"
#include "core/pinned.h"
#include "core/state.h"
#include "core/storage.h"
#include "core/text.h"
#include "ephemeral.h"
#include "hostdir.h"
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
int rootfs_lower(struct keeper *k, int image_fd, struct carrel_error *err)
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

static struct storage storage_of(const struct keeper *k)
{
	return (struct storage){
		.user_fd = k->user_fd,
		.uid = k->user.uid,
		.ids = k->ids,
		.home_uid = k->ids.uid_base + rootfs_inner_uid(k),
		.home_gid = k->ids.gid_base + rootfs_inner_gid(k),
		.limits = &k->policy.user_limits,
		.deadline = fs_now_ms() + k->request.timeout * (int64_t)1000 / 2,
	};
}

/* The directory with the user's upper, work and home, where their limits can be kept, as a detached mount. */
static int mount_storage(struct keeper *k, struct carrel_error *err)
{
	static const struct limits none = { .disk = UNIT_NONE, .inodes = UNIT_NONE };
	const char *required = policy_required_storage(&k->policy);
	struct storage s = storage_of(k);

	int fd = storage_mount(&s, err);
	if (fd == -ENOTSUP && required) {
		error_context(err, "cannot enforce '%s'", required);
	} else if (fd == -ENOTSUP) {
		log_send("carrel-keeper", LOG_WARNING,
			 "user '%s': neither disk space nor files are limited here: %s", k->user.name,
			 err->msg);
		s.limits = &none;
		fd = storage_mount(&s, err);
	}
	if (s.note[0])
		log_send("carrel-keeper", LOG_WARNING, "user '%s': %s", k->user.name, s.note);
	k->storage_mounted = fd >= 0;
	return fd;
}

int rootfs_settle(struct keeper *k, struct carrel_error *err)
{
	struct storage s = storage_of(k);

	/* Of an ephemeral one they are its filesystem's own. */
	if (k->storage_fd < 0)
		return 0;
	s.mounted = k->storage_mounted;
	int r = storage_settle(&s, k->storage_fd, err);
	const char *required = policy_required_storage(&k->policy);
	/* The limits came while there were sessions already, which no limit holds for, and it would not hold for this one. */
	if (r == -EBUSY && required)
		return error_set(err, EBUSY,
				 "'%s' takes effect when your open sessions have ended: log out of them "
				 "first",
				 required);
	if (r == -EBUSY)
		log_send("carrel-keeper", LOG_WARNING, "user '%s': %s", k->user.name, err->msg);
	if (s.note[0])
		log_send("carrel-keeper", LOG_WARNING, "user '%s': %s", k->user.name, s.note);
	return r == -EBUSY ? 0 : r;
}

/* The private home. What is mounted in the vault is nosuid, and root inside may have set-id programs at home. */
static int clone_home(struct keeper *k, const char *at, struct carrel_error *err)
{
	bool user = k->policy.login_as == LOGIN_USER;
	struct mount_attr suid = { .attr_clr = user ? 0 : MOUNT_ATTR_NOSUID };
	uint64_t attrs = MOUNT_ATTR_NODEV | (user ? MOUNT_ATTR_NOSUID : 0);

	_cleanup_close_ int fd = mountfd_clone(AT_FDCWD, at, attrs, -1, err);
	if (fd >= 0 && mount_setattr(fd, "", AT_EMPTY_PATH, &suid, sizeof(suid)) < 0)
		return error_errno(err, "cannot set the attributes of the home");
	return fd < 0 ? fd : steal_fd(&fd);
}

/* In the vault: whether the user's overlay is there. If not, neither is what a keeper that was killed half way left. */
static int find_mounted(const char *at, const char *root, struct carrel_error *err)
{
	int host = pinned_enter(PINNED_VAULT, err);
	if (host < 0)
		return host;
	bool mounted = is_mounted(root);
	if (!mounted)
		detach(at);
	int r = pinned_leave(host, err);
	return r < 0 ? r : mounted;
}

/* Everything that needs paths of the host or /proc, which the vault has not, and then the vault work. */
static int mount_first(struct keeper *k, int image_fd, const char *at, struct carrel_error *err)
{
	_cleanup_close_ int storage = mount_storage(k, err);
	if (storage < 0)
		return storage;
	_cleanup_close_ int lower = rootfs_lower(k, image_fd, err);
	if (lower < 0)
		return lower;
	int host = pinned_enter(PINNED_VAULT, err);
	if (host < 0)
		return host;
	int r = mount_overlay(lower, storage, at, err);
	int back = pinned_leave(host, r < 0 ? NULL : err);
	return r < 0 ? r : back;
}

/* The session's rootfs and home, detached, and the storage they are of. */
static int from_vault(struct keeper *k, int image_fd, struct carrel_error *err)
{
	char at[16], root[24], home[24];

	snprintf(at, sizeof(at), "/%u", k->user.uid);
	snprintf(root, sizeof(root), "%s/root", at);
	snprintf(home, sizeof(home), "%s/home", at);
	int r = find_mounted(at, root, err);
	if (r == 0)
		r = mount_first(k, image_fd, at, err);
	if (r < 0)
		return r;
	int host = pinned_enter(PINNED_VAULT, err);
	if (host < 0)
		return host;
	k->rootfs_fd = clone_overlay(k, root, err);
	r = k->rootfs_fd < 0 ? k->rootfs_fd : 0;
	if (r == 0 && k->policy.home == HOME_PRIVATE) {
		k->home_fd = clone_home(k, home, err);
		r = k->home_fd < 0 ? k->home_fd : 0;
	}
	if (r == 0) {
		k->storage_fd = open(at, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (k->storage_fd < 0)
			r = error_errno(err, "cannot open the storage of uid %u", k->user.uid);
	}
	int back = pinned_leave(host, r < 0 ? NULL : err);
	return r < 0 ? r : back;
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

/* The user's own, which stays: the image they were first given, and what they changed. */
static int open_persistent(struct keeper *k, int image_fd, struct carrel_error *err)
{
	const char *image = k->record.image;
	int r = remember_image(k, image, err);
	if (r == 0)
		r = from_vault(k, image_fd, err);
	if (r == -ESTALE)
		return explain_stale(k, image, err);
	if (r < 0)
		return r;
	/* Of the same filesystem, and under the same limits, as all of the user's files; the mount itself is init's. */
	k->disk_fd = openat(k->storage_fd, "home", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return 0;
}

int rootfs_open(struct keeper *k, struct carrel_error *err)
{
	bool ephemeral = k->policy.rootfs == ROOTFS_EPHEMERAL;
	char image[IMAGE_NAME_MAX + 1] = "";

	/* What is not kept need not stay what it was. */
	int r = ephemeral ? text_format(image, sizeof(image), "%s", k->policy.image)
			  : pinned_image(k, image, err);
	if (r < 0)
		return r;
	k->image_fd = image_lock(image, LOCK_SH, k->request.timeout * 1000 / 2, err);
	_cleanup_close_ int image_fd = k->image_fd < 0 ? k->image_fd : image_open(image, err);
	if (image_fd < 0)
		return image_fd;
	memcpy(k->record.image, image, sizeof(image));
	r = ephemeral ? ephemeral_open(k, image_fd, err) : open_persistent(k, image_fd, err);
	if (r == 0)
		state_mark_login(k->user_fd);
	if (r == 0 && k->policy.home == HOME_HOST)
		r = hostdir_open_home(k, err);
	if (r == 0 && k->policy.share_ssh_dir)
		r = sshdir_open(k, err);
	if (r == 0)
		r = hostdir_open_binds(k, image_fd, err);
	close_fd(&k->map_fd);
	return r;
}
