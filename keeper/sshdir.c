/*
 * sshdir.c - see sshdir.h. Run by the keeper, as root; what lies below the home is the user's to rearrange at
 * any moment, so it is resolved with the user's own filesystem rights, from descriptors, without symlinks.
 */
#include "sshdir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "hostdir.h"

#define SSH_DIR ".ssh"

static int open_ssh_dir(int home)
{
	return fs_open_child(home, SSH_DIR, O_PATH | O_DIRECTORY);
}

/* With the user's fsuid: the kernel drops the filesystem capabilities for as long as it is not 0. */
static int find_as_user(const struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int home = fs_openat2(AT_FDCWD, k->user.home, O_PATH | O_DIRECTORY, 0,
					      RESOLVE_NO_MAGICLINKS);
	if (home < 0)
		return error_set(err, -home, "cannot open the home '%s': %s", k->user.home, strerror(-home));
	int fd = open_ssh_dir(home);
	if (fd == -ENOENT) {
		if (mkdirat(home, SSH_DIR, 0700) < 0 && errno != EEXIST)
			return error_errno(err, "cannot make '%s/" SSH_DIR "'", k->user.home);
		fd = open_ssh_dir(home);
	}
	return fd < 0 ? error_set(err, -fd, "cannot open '%s/" SSH_DIR "': %s", k->user.home, strerror(-fd))
		      : fd;
}

static int find(const struct keeper *k, struct carrel_error *err)
{
	struct stat st;

	setfsgid(k->user.gid);
	setfsuid(k->user.uid);
	_cleanup_close_ int fd = find_as_user(k, err);
	setfsuid(0);
	setfsgid(0);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return error_errno(err, "cannot stat '%s/" SSH_DIR "'", k->user.home);
	if (st.st_uid != k->user.uid)
		return error_set(err, EPERM, "'%s/" SSH_DIR "' belongs to uid %u", k->user.home, st.st_uid);
	return steal_fd(&fd);
}

int sshdir_open(struct keeper *k, struct carrel_error *err)
{
	struct carrel_error why = { 0 };
	_cleanup_close_ int dir = find(k, &why);

	/* setfsuid(2) reports nothing; asking for an impossible id returns the present one. */
	if (setfsuid((uid_t)-1) != 0 || setfsgid((gid_t)-1) != 0)
		return error_set(err, EPERM, "cannot get back the filesystem uid of root");
	if (dir >= 0)
		k->ssh_fd = hostdir_clone(k, dir, MOUNT_ATTR_NOEXEC, &why);
	if (k->ssh_fd < 0)
		log_send("carrel-keeper", LOG_WARNING, "user '%s': ~/.ssh is not shared with the sandbox: %s",
			 k->user.name, why.msg);
	return 0;
}
