/* mountfd.c - see mountfd.h. Used by the keeper on the host and by init inside. */
#include "mountfd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"

/* What the kernel has to say about a refused option or mount is in the context's log: "e overlay: ...". */
static void read_log(int fs, char *text, size_t size)
{
	ssize_t n = read(fs, text, size - 1);

	text[n > 0 ? n : 0] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

int mountfd_new(const char *type, const struct mountfd_option *options, uint64_t attrs,
		struct carrel_error *err)
{
	char log[160];
	_cleanup_close_ int fs = fsopen(type, FSOPEN_CLOEXEC);
	if (fs < 0)
		return error_errno(err, "cannot open filesystem type '%s'", type);
	int r = 0;
	for (const struct mountfd_option *o = options; r == 0 && o && o->key; o++) {
		r = fsconfig(fs, o->value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG, o->key, o->value, 0);
		if (r < 0)
			error_errno(err, "filesystem '%s' refuses option '%s'", type, o->key);
	}
	if (r == 0) {
		r = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
		if (r < 0)
			error_errno(err, "cannot create filesystem '%s'", type);
	}
	int fd = r == 0 ? fsmount(fs, FSMOUNT_CLOEXEC, (unsigned)attrs) : -1;
	if (r == 0 && fd < 0)
		error_errno(err, "cannot mount filesystem '%s'", type);
	if (fd >= 0)
		return fd;
	read_log(fs, log, sizeof(log));
	return log[0] ? error_context(err, "%s", log) : -err->code;
}

int mountfd_clone(int dirfd, const char *path, uint64_t attrs, int userns, struct carrel_error *err)
{
	_cleanup_close_ int fd = open_tree(
		dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
	if (fd < 0)
		return error_errno(err, "cannot clone the mount of '%s'", path);
	struct mount_attr attr = {
		.attr_set = attrs | (userns >= 0 ? MOUNT_ATTR_IDMAP : 0),
		.propagation = MS_PRIVATE,
		.userns_fd = userns >= 0 ? (uint64_t)userns : 0,
	};
	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0)
		return error_errno(err, "cannot set the attributes of a mount");
	return steal_fd(&fd);
}

int mountfd_attach(int fd, int dirfd, const char *path, struct carrel_error *err)
{
	unsigned flags = MOVE_MOUNT_F_EMPTY_PATH | (*path ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	if (move_mount(fd, "", dirfd, path, flags) < 0)
		return error_errno(err, "cannot attach a mount at '%s'", path);
	return 0;
}
