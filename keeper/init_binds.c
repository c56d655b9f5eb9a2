/*
 * init_binds.c - what the policy binds, put where it belongs inside.
 *
 * Run by init, before the pivot. The rootfs is the user's to rearrange: each part of a target is opened by openat2 from the
 * descriptor of the one before, and links are not followed, so a bind cannot be led to /proc, which init itself is going to
 * rely on. What is in the way is renamed and not removed; who made it has it back, and can still log in.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bind.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/mountfd.h"
#include "init.h"
#include "rootfs.h"

static int set_aside(int dirfd, const char *name)
{
	char aside[BIND_PATH_MAX + 32];
	unsigned number = 0;

	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		return -errno;
	snprintf(aside, sizeof(aside), "%s.in-the-way-%08x", name, number);
	return renameat2(dirfd, name, dirfd, aside, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int make(int dirfd, const char *name, bool directory)
{
	if (directory)
		return mkdirat(dirfd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
	_cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 && errno != EEXIST ? -errno : 0;
}

/* One part of a target below dirfd, made if need be. O_PATH descriptor or -errno. */
static int open_part(int dirfd, const char *name, bool directory)
{
	for (int tries = 0; tries < 3; tries++) {
		struct stat st;
		_cleanup_close_ int fd = fs_openat2(dirfd, name, O_PATH | O_NOFOLLOW, 0, RESOLVE_BENEATH);
		if (fd >= 0 && fstat(fd, &st) < 0)
			return -errno;
		if (fd >= 0 && (directory ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode)))
			return steal_fd(&fd);
		int r = fd == -ENOENT ? make(dirfd, name, directory) : fd;
		if (fd >= 0)
			r = set_aside(dirfd, name);
		if (r < 0)
			return r;
	}
	return -EEXIST; /* another session of the user is busy changing it */
}

static int open_place(int root, const char *target, bool directory)
{
	char copy[BIND_PATH_MAX + 1], *save = NULL;
	_cleanup_close_ int fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	snprintf(copy, sizeof(copy), "%s", target);
	char *name = strtok_r(copy, "/", &save);
	while (name) {
		char *rest = strtok_r(NULL, "/", &save);
		int next = open_part(fd, name, rest || directory);
		if (next < 0)
			return next;
		close_fd(&fd);
		fd = next;
		name = rest;
	}
	return steal_fd(&fd);
}

/* In a home of the host nobody but the user can make files, not even root inside. */
static int open_place_as(const struct keeper *k, const char *target, bool directory)
{
	char home[INNER_HOME_MAX];
	bool at_home = bind_path_within(target, policy_inner_home(&k->policy, &k->user, home, sizeof(home)));

	if (at_home) {
		setfsgid(rootfs_inner_gid(k));
		setfsuid(rootfs_inner_uid(k));
	}
	int fd = open_place(k->rootfs_fd, target, directory);
	setfsuid(0);
	setfsgid(0);
	return fd;
}

static int mount_bind(const struct keeper *k, const struct bind_mount *bind, int mount_fd,
		      struct carrel_error *err)
{
	char target[BIND_PATH_MAX + 1];
	struct stat st;

	if (fstat(mount_fd, &st) < 0)
		return error_errno(err, "cannot stat the bind '%.100s'", bind->source);
	int r = bind_expand(bind->target, &k->user, target);
	if (r < 0)
		return error_set(err, -r, "the user's name cannot be put into '%.100s'", bind->target);
	_cleanup_close_ int place = open_place_as(k, target, S_ISDIR(st.st_mode));
	/* Only from inside can the user make room again. */
	if (place == -ENOSPC || place == -EDQUOT)
		return 0;
	if (place < 0)
		return error_set(err, -place, "cannot make '%.150s' for the bind '%.150s': %s", target,
				 bind->source, strerror(-place));
	return mountfd_attach(mount_fd, place, "", err);
}

int init_mount_binds(const struct keeper *k, struct carrel_error *err)
{
	size_t i = 0;
	int r = 0;

	for (const struct bind_mount *bind = k->policy.binds; bind && r == 0; bind = bind->next, i++)
		if (k->bind_fds[i] >= 0)
			r = mount_bind(k, bind, k->bind_fds[i], err);
	return r;
}
