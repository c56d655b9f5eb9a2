/*
 * init_mounts.c - the inside of the sandbox: what is mounted where, and the pivot.
 *
 * Run by init, with every capability over its mount namespace (a copy of the template) and none over the host.
 * The rootfs is the user's to rearrange, so every target is found by openat2 of one component at a time from a
 * descriptor, and mounts are made detached and then attached to that descriptor. A name that should be a directory
 * and is not is replaced, with the sandbox's own rights: a user cannot lock themselves out with `ln -s`.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/mountfd.h"
#include "core/text.h"
#include "init.h"
#include "limits.h"
#include "rootfs.h"
#include "sshdir.h"

#define PTYS_MAX "128" /* of a session; all sandboxes of a host share kernel.pty.max, which is 4096 */
#define ATTR_ALL (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/*
 * Fresh filesystems, parents before children. proc and sysfs can be made only while the template's whole ones are
 * visible, so all come before the pivot.
 */
static const struct fresh {
	const char *target; /* below the rootfs */
	const char *type;
	uint64_t attrs;
	const char *mode; /* tmpfs: its root's; NULL: not a tmpfs */
	bool sized;	  /* limited by limits.tmp and tmp_inodes; otherwise small */
} fresh_mounts[] = {
	{ "proc", "proc", ATTR_ALL, NULL, false },
	{ "sys", "sysfs", ATTR_ALL | MOUNT_ATTR_RDONLY, NULL, false },
	{ "dev", "tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "0755", false },
	{ "dev/pts", "devpts", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, NULL, false },
	{ "dev/shm", "tmpfs", ATTR_ALL, "1777", true },
	{ "dev/mqueue", "mqueue", ATTR_ALL, NULL, false },
	{ "run", "tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "0755", true },
	{ "tmp", "tmpfs", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "1777", true },
};

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };

static const struct {
	const char *to, *name;
} device_links[] = {
	{ "pts/ptmx", "ptmx" },		 { "/proc/self/fd", "fd" },	  { "/proc/self/fd/0", "stdin" },
	{ "/proc/self/fd/1", "stdout" }, { "/proc/self/fd/2", "stderr" },
};

/* Of the kernel and not of the sandbox: an empty file or directory in their place. Missing ones are fine. */
static const char *const masked[] = {
	"/proc/acpi",	 "/proc/asound",     "/proc/interrupts",    "/proc/kcore",
	"/proc/keys",	 "/proc/pressure",   "/proc/latency_stats", "/proc/sched_debug",
	"/proc/scsi",	 "/proc/timer_list", "/proc/timer_stats",   "/sys/devices/virtual/powercap",
	"/sys/firmware",
};

static const char *const read_only[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					 "/proc/sysrq-trigger" };

/* One component below dirfd as a directory, made if need be. O_PATH descriptor or -errno. */
static int open_component(int dirfd, const char *name, mode_t mode)
{
	for (int tries = 0; tries < 2; tries++) {
		int fd = fs_openat2(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
				    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (fd != -ENOENT && fd != -ENOTDIR && fd != -ELOOP)
			return fd;
		if (fd != -ENOENT && unlinkat(dirfd, name, 0) < 0)
			return -errno;
		if (mkdirat(dirfd, name, mode) < 0 && errno != EEXIST)
			return -errno;
	}
	return -ENOTDIR;
}

static int open_target(int root, const char *path, struct carrel_error *err)
{
	char copy[256], *save = NULL;
	_cleanup_close_ int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || text_format(copy, sizeof(copy), "%s", path) < 0)
		return error_errno(err, "cannot open '/%s'", path);
	for (char *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save)) {
		int next = open_component(fd, name, 0755);
		if (next < 0)
			return error_set(err, -next, "cannot open '/%s' in the root filesystem: %s", path,
					 strerror(-next));
		close_fd(&fd);
		fd = next;
	}
	return steal_fd(&fd);
}

static int attach_at(int root, const char *path, int mount_fd, struct carrel_error *err)
{
	_cleanup_close_ int target = open_target(root, path, err);

	if (target < 0)
		return target;
	int r = mountfd_attach(mount_fd, target, "", err);
	return r < 0 ? error_context(err, "'/%s'", path) : 0;
}

static int mount_fresh(const struct keeper *k, int root, const struct fresh *f, struct carrel_error *err)
{
	char size[32], inodes[32];
	struct mountfd_option options[6] = { { "source", "carrel" } };
	size_t n = 1;
	const struct limits *l = &k->policy.limits;

	if (f->mode) {
		bool none = f->sized && l->tmp == UNIT_NONE;
		snprintf(size, sizeof(size), "%llu",
			 none	    ? 0ull
			 : f->sized ? (unsigned long long)l->tmp
				    : 65536ull);
		snprintf(inodes, sizeof(inodes), "%llu",
			 f->sized && l->tmp_inodes == UNIT_NONE ? 0ull
			 : f->sized				? (unsigned long long)l->tmp_inodes
								: 256ull);
		options[n++] = (struct mountfd_option){ "mode", f->mode };
		options[n++] = (struct mountfd_option){ "size", size };
		options[n++] = (struct mountfd_option){ "nr_inodes", inodes };
	} else if (strcmp(f->type, "devpts") == 0) {
		options[n++] = (struct mountfd_option){ "ptmxmode", "0666" };
		options[n++] = (struct mountfd_option){ "max", PTYS_MAX };
		options[n++] = (struct mountfd_option){ "mode", "0620" };
		options[n++] = (struct mountfd_option){ "gid", "5" };
	}
	options[n] = (struct mountfd_option){ NULL, NULL };
	_cleanup_close_ int fd = mountfd_new(f->type, options, f->attrs, err);
	return fd < 0 ? fd : attach_at(root, f->target, fd, err);
}

/* Nodes come from the template, bound onto empty files: a user namespace cannot make device nodes. */
static int fill_dev(int root, struct carrel_error *err)
{
	_cleanup_close_ int dev = open_target(root, "dev", err);
	char from[32];

	if (dev < 0)
		return dev;
	for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
		_cleanup_close_ int file = openat(dev, devices[i], O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC,
						  0666);
		if (file < 0)
			return error_errno(err, "cannot make '/dev/%s'", devices[i]);
		snprintf(from, sizeof(from), "/dev/%s", devices[i]);
		_cleanup_close_ int node = mountfd_clone(AT_FDCWD, from,
							 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, -1, err);
		if (node < 0 || mountfd_attach(node, dev, devices[i], err) < 0)
			return -err->code;
	}
	for (size_t i = 0; i < ARRAY_SIZE(device_links); i++)
		if (symlinkat(device_links[i].to, dev, device_links[i].name) < 0)
			return error_errno(err, "cannot make '/dev/%s'", device_links[i].name);
	return 0;
}

const char *init_home(const struct keeper *k, char *buf, size_t size)
{
	return policy_inner_home(&k->policy, &k->user, buf, size);
}

/*
 * The file alone, read-only, in a directory of the fresh /run. A mount that is attached nowhere cannot be cloned before Linux
 * 6.15, so by now the filesystem is below the rootfs, on the template's mount point, and goes with it at the pivot.
 */
static int mount_limits(const struct keeper *k, int root, struct carrel_error *err)
{
	_cleanup_close_ int dir = open_target(root, "run/carrel", err);

	if (dir < 0)
		return dir;
	_cleanup_close_ int file = openat(dir, LIMITS_FILE, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (file < 0)
		return error_errno(err, "cannot make '/run/carrel/" LIMITS_FILE "'");
	_cleanup_close_ int clone = mountfd_clone(k->limits_fd, LIMITS_FILE, ATTR_ALL | MOUNT_ATTR_RDONLY, -1,
						  err);
	return clone < 0 ? clone : mountfd_attach(clone, dir, LIMITS_FILE, err);
}

static int new_mask(struct carrel_error *err)
{
	static const struct mountfd_option small[] = { { "source", "carrel" },
						       { "size", "4096" },
						       { NULL, NULL } };

	return mountfd_new("tmpfs", small, ATTR_ALL | MOUNT_ATTR_RDONLY, err);
}

/* Since OpenSSH 10.1 sshd's agent sockets are in ~/.ssh/agent, and a socket can be reached through the shared mount. */
static int hide_agents(int ssh_fd, struct carrel_error *err)
{
	_cleanup_close_ int agents = open_component(ssh_fd, SSHDIR_AGENTS, 0700);
	if (agents < 0)
		return error_set(err, -agents, "cannot open '.ssh/" SSHDIR_AGENTS "': %s", strerror(-agents));
	_cleanup_close_ int mask = new_mask(err);
	return mask < 0 ? mask : mountfd_attach(mask, agents, "", err);
}

/* share_ssh_dir = false in a home of the host: an empty directory, which cannot be renamed, in the place of ~/.ssh. */
static int hide_ssh(const struct keeper *k, int home, struct carrel_error *err)
{
	/* Who is not the user cannot make files in their home. */
	setfsgid(rootfs_inner_gid(k));
	setfsuid(rootfs_inner_uid(k));
	int made = mkdirat(home, ".ssh", 0700) < 0 ? -errno : 0;
	setfsuid(0);
	setfsgid(0);
	_cleanup_close_ int ssh = made < 0 && made != -EEXIST
					  ? made
					  : fs_openat2(home, ".ssh", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0,
						       RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (ssh < 0)
		return error_set(err, -ssh, "cannot hide '.ssh' in the home: %s", strerror(-ssh));
	_cleanup_close_ int mask = new_mask(err);
	return mask < 0 ? mask : mountfd_attach(mask, ssh, "", err);
}

static int mount_home(const struct keeper *k, int root, struct carrel_error *err)
{
	char home[300];

	init_home(k, home, sizeof(home));
	int r = attach_at(root, home, k->home_fd, err);
	if (r < 0)
		return r;
	_cleanup_close_ int target = open_target(root, home, err);
	if (target < 0)
		return target;
	/* login_as may have changed since the home was made. That of the host is the host's. */
	if (k->policy.home == HOME_PRIVATE &&
	    fchownat(target, "", rootfs_inner_uid(k), rootfs_inner_gid(k), AT_EMPTY_PATH) < 0)
		return error_errno(err, "cannot change the owner of the home");
	if (k->ssh_fd < 0)
		return k->policy.home == HOME_HOST && !k->policy.share_ssh_dir ? hide_ssh(k, target, err) : 0;
	_cleanup_close_ int ssh = open_component(target, ".ssh", 0700);
	/* No room for a directory is the user's to make, from inside. */
	if (ssh == -ENOSPC || ssh == -EDQUOT)
		return 0;
	if (ssh < 0)
		return error_set(err, -ssh, "cannot open '.ssh' in the home: %s", strerror(-ssh));
	r = mountfd_attach(k->ssh_fd, ssh, "", err);
	return r == 0 && !k->policy.agent ? hide_agents(k->ssh_fd, err) : r;
}

/*
 * The old root is stacked on the new one by pivot_root(".", ".") and detached: nothing of the template, and with it
 * of the kernel's whole proc and sysfs, stays reachable.
 */
static int pivot(int root, struct carrel_error *err)
{
	if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 ||
	    chdir("/") < 0)
		return error_errno(err, "cannot pivot into the root filesystem");
	return 0;
}

static int mask(const char *path, struct carrel_error *err)
{
	struct stat st;

	if (fstatat(AT_FDCWD, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	_cleanup_close_ int fd = S_ISDIR(st.st_mode)
					 ? new_mask(err)
					 : mountfd_clone(AT_FDCWD, "/dev/null",
							 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, -1, err);
	return fd < 0 ? fd : mountfd_attach(fd, AT_FDCWD, path, err);
}

static int restrict_kernel_files(struct carrel_error *err)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(masked) && r == 0; i++)
		r = mask(masked[i], err);
	for (size_t i = 0; i < ARRAY_SIZE(read_only) && r == 0; i++) {
		if (access(read_only[i], F_OK) < 0)
			continue;
		_cleanup_close_ int fd = mountfd_clone(AT_FDCWD, read_only[i], ATTR_ALL | MOUNT_ATTR_RDONLY,
						       -1, err);
		r = fd < 0 ? fd : mountfd_attach(fd, AT_FDCWD, read_only[i], err);
	}
	return r;
}

int init_mount_all(struct keeper *k, struct carrel_error *err)
{
	int r = mountfd_attach(k->limits_fd, AT_FDCWD, "/mnt", err);

	if (r == 0)
		r = mountfd_attach(k->rootfs_fd, AT_FDCWD, "/mnt", err);
	for (size_t i = 0; i < ARRAY_SIZE(fresh_mounts) && r == 0; i++)
		r = mount_fresh(k, k->rootfs_fd, &fresh_mounts[i], err);
	if (r == 0)
		r = fill_dev(k->rootfs_fd, err);
	if (r == 0)
		r = mount_home(k, k->rootfs_fd, err);
	if (r == 0)
		r = mount_limits(k, k->rootfs_fd, err);
	if (r == 0)
		r = init_mount_binds(k, err);
	if (r == 0)
		r = pivot(k->rootfs_fd, err);
	close_fd(&k->rootfs_fd);
	close_fd(&k->home_fd);
	close_fd(&k->limits_fd);
	close_fd(&k->ssh_fd);
	for (size_t i = 0; i < BINDS_MAX; i++)
		close_fd(&k->bind_fds[i]);
	if (r == 0)
		r = init_forbid_namespaces(err); /* writes below /proc/sys, which is made read-only next */
	return r < 0 ? r : restrict_kernel_files(err);
}
