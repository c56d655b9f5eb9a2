/* project.c - see project.h. Used by the keeper and carrelctl, as root, on the host. quotactl(2), ioctl_xfs_fsgetxattr(2). */
#include "project.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "fs_copy.h"
#include "fs_walk.h"
#include "units.h"

#define SCRATCH_NAME "new"

static int quota(int fd, unsigned command, uint32_t id, void *data)
{
	return syscall(SYS_quotactl_fd, fd, QCMD(command, PRJQUOTA), id, data) < 0 ? -errno : 0;
}

bool project_enforced(int fd)
{
	struct fs_quota_statv state = { .qs_version = FS_QSTATV_VERSION1 };

	/* ext4 counts, and lets everything pass, when it has the feature and was mounted without prjquota. */
	return quota(fd, Q_XGETQSTATV, 0, &state) == 0 && (state.qs_flags & FS_QUOTA_PDQ_ACCT) &&
	       (state.qs_flags & FS_QUOTA_PDQ_ENFD);
}

uint32_t project_of(int fd)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0 || !(attr.fsx_xflags & FS_XFLAG_PROJINHERIT))
		return 0;
	return attr.fsx_projid;
}

/* Regular files have the project, and directories hand it on as well. */
static int set_project(int fd, uint32_t id, bool directory)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr) < 0)
		return -errno;
	if (attr.fsx_projid == id && (!directory || (attr.fsx_xflags & FS_XFLAG_PROJINHERIT)))
		return 0;
	attr.fsx_projid = id;
	if (directory)
		attr.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr) < 0 ? -errno : 0;
}

int project_mark(int fd, uint32_t id)
{
	return set_project(fd, id, true);
}

/* xfs has no entry for what was never used. */
static int get_block(int fd, uint32_t id, struct if_dqblk *block)
{
	int r = quota(fd, Q_GETQUOTA, id, block);

	if (r != -ENOENT && r != -ESRCH)
		return r;
	*block = (struct if_dqblk){ 0 };
	return 0;
}

int project_choose(int fd, uint32_t first, uint32_t count, uint32_t *id, struct carrel_error *err)
{
	struct if_dqblk block;

	for (uint32_t i = 0; i < count; i++) {
		int r = get_block(fd, first + i, &block);
		if (r < 0)
			return error_set(err, -r, "cannot read the quota of project %u: %s", first + i,
					 strerror(-r));
		if (!block.dqb_curspace && !block.dqb_curinodes && !block.dqb_bhardlimit &&
		    !block.dqb_ihardlimit && !block.dqb_bsoftlimit && !block.dqb_isoftlimit) {
			*id = first + i;
			return 0;
		}
	}
	return error_set(err, ENOSPC, "every project from %u to %u is in use", first, first + count - 1);
}

int project_usage(int fd, uint32_t id, struct project_usage *usage, struct carrel_error *err)
{
	struct if_dqblk block;

	int r = get_block(fd, id, &block);
	if (r < 0)
		return error_set(err, -r, "cannot read the quota of project %u: %s", id, strerror(-r));
	usage->bytes = block.dqb_curspace;
	usage->inodes = block.dqb_curinodes;
	usage->bytes_limit = block.dqb_bhardlimit ? block.dqb_bhardlimit * 1024 : UNIT_NONE;
	usage->inodes_limit = block.dqb_ihardlimit ? block.dqb_ihardlimit : UNIT_NONE;
	return 0;
}

int project_set_limits(int fd, uint32_t id, uint64_t bytes, uint64_t inodes, struct carrel_error *err)
{
	struct project_usage now = { 0 };
	struct if_dqblk block = {
		.dqb_bhardlimit = bytes == UNIT_NONE ? 0 : bytes / 1024,
		.dqb_ihardlimit = inodes == UNIT_NONE ? 0 : inodes,
		.dqb_valid = QIF_LIMITS,
	};

	int r = quota(fd, Q_SETQUOTA, id, &block);
	if (r < 0)
		return error_set(err, -r, "cannot set the quota of project %u: %s", id, strerror(-r));
	r = project_usage(fd, id, &now, err);
	if (r < 0)
		return r;
	/* xfs rounds bytes to its blocks. */
	uint64_t want = bytes == UNIT_NONE ? UNIT_NONE : bytes / 1024 * 1024;
	uint64_t far = now.bytes_limit > want ? now.bytes_limit - want : want - now.bytes_limit;
	if (far >= 65536 || now.inodes_limit != inodes)
		return error_set(err, EIO, "the quota of project %u was set and reads otherwise", id);
	return 0;
}

/* --- a tree that is there already --- */

struct adoption {
	uint32_t id;
	int scratch;
	int whiteout; /* one of the new ones, for more names */
};

/* overlayfs marks what was removed by a device 0:0, and gives one file many names. */
static bool is_whiteout(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == 0;
}

static int make_anew(struct adoption *a, int dirfd, const char *name, const struct stat *st)
{
	bool whiteout = is_whiteout(st);
	struct stat dir;
	int r;

	if (fstat(dirfd, &dir) < 0)
		return -errno;
	if (whiteout && a->whiteout >= 0 &&
	    linkat(a->whiteout, "", a->scratch, SCRATCH_NAME, AT_EMPTY_PATH) == 0)
		r = 0;
	else
		r = fs_copy_special(dirfd, name, st, a->scratch, SCRATCH_NAME);
	if (r < 0)
		return r;
	if (whiteout) {
		close_fd(&a->whiteout);
		a->whiteout = openat(a->scratch, SCRATCH_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	}
	if (renameat(a->scratch, SCRATCH_NAME, dirfd, name) < 0)
		return -errno;
	/* For the user nothing has changed here. */
	const struct timespec times[2] = { dir.st_atim, dir.st_mtim };
	return futimens(dirfd, times) < 0 ? -errno : 0;
}

static int adopt_file(void *arg, int dirfd, const char *name, const struct stat *st)
{
	struct adoption *a = arg;

	if (!S_ISREG(st->st_mode))
		return make_anew(a, dirfd, name, st);
	_cleanup_close_ int fd = fs_open_visited(dirfd, name, st, O_RDONLY | O_NOATIME);
	return fd < 0 ? fd : set_project(fd, a->id, false);
}

static int adopt_directory(void *arg, int fd, const struct stat *st)
{
	const struct adoption *a = arg;

	(void)st;
	return set_project(fd, a->id, true);
}

int project_adopt(int dirfd, const char *name, int scratch, uint32_t id, int64_t deadline,
		  struct carrel_error *err)
{
	struct adoption a = { .id = id, .scratch = scratch, .whiteout = -EBADF };
	const struct fs_visitor visitor = {
		.verb = "count", .file = adopt_file, .leave = adopt_directory, .arg = &a, .deadline = deadline
	};

	int r = fs_walk_tree(dirfd, name, &visitor, err);
	close_fd(&a.whiteout);
	return r;
}
