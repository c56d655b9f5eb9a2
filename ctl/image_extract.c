/*
 * image_extract.c - the child that unpacks an archive: started, confined, heard. See image_extract.h.
 *
 *	carrelctl image import          root; stages, checks, renames
 *	 └─ extract_child()             uid 0 with four capabilities, in the staging directory's rootfs for good
 *
 * libarchive refuses paths and links that lead out by itself (the SECURE flags); that is the second line. The
 * first is that for the process that runs it nothing else exists: its root is a mount of that one directory on
 * which nothing can be executed, mapped executable, or opened as a device, it is PID 1 of its own namespace, and has
 * no network. What it might start dies with it, before the image is looked at.
 */
#include "image_extract.h"

#include <errno.h>
#include <fcntl.h>
#include <iconv.h>
#include <limits.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wchar.h>

#include "confine.h"
#include "core/cleanup.h"

_Static_assert(sizeof(struct extract_report) <= PIPE_BUF, "a report is one write");

#define MEMORY_MAX (UINT64_C(2) << 30) /* xz and zstd dictionaries, libarchive's list of directories */

/*
 * What glibc reads from files at its first use must be read now: after the chroot the file would be one of the
 * archive's. Names in pax headers are UTF-8, and libarchive passes them through the locale; those in others are bytes,
 * and stay as they are.
 */
static int load_locale(struct carrel_error *err)
{
	wchar_t wide;

	if (!setlocale(LC_CTYPE, "C.UTF-8") && !setlocale(LC_CTYPE, "en_US.UTF-8"))
		return error_set(err, ENOENT, "there is no UTF-8 locale (C.UTF-8) on this host");
	iconv_t converter = iconv_open("UTF-8", "UTF-8");
	if (converter != (iconv_t)-1)
		iconv_close(converter);
	(void)mbrtowc(&wide, "a", 1, NULL);
	return 0;
}

/* In the child the descriptors are these, and no others. */
enum { ARCHIVE_FD = 3, REPORT_FD = 4, ROOTFS_FD = 5, FIRST_UNUSED_FD = 6 };

static int arrange_descriptors(int archive_fd, int report_fd, int rootfs_fd, struct carrel_error *err)
{
	/* Any of them may have a number that is the place of another: all out of the way first. */
	int archive = fcntl(archive_fd, F_DUPFD_CLOEXEC, FIRST_UNUSED_FD);
	int report = fcntl(report_fd, F_DUPFD_CLOEXEC, FIRST_UNUSED_FD);
	int rootfs = fcntl(rootfs_fd, F_DUPFD_CLOEXEC, FIRST_UNUSED_FD);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (archive < 0 || report < 0 || rootfs < 0 || null < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 ||
	    dup2(null, 2) < 0 || dup2(archive, ARCHIVE_FD) < 0 || dup2(report, REPORT_FD) < 0 ||
	    dup2(rootfs, ROOTFS_FD) < 0 || close_range(FIRST_UNUSED_FD, ~0U, 0) < 0)
		return error_errno(err, "cannot arrange descriptors");
	return 0;
}

/*
 * Into the directory, through a mount of its own that makes files and nothing more: neither a program nor a
 * library of the archive's can be run or loaded, whatever the code that reads it can be talked into.
 */
static int enter_rootfs(struct carrel_error *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
				   .propagation = MS_PRIVATE };
	int tree = open_tree(ROOTFS_FD, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

	if (tree < 0 || mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return error_errno(err, "cannot mount the staging directory");
	/* The one outside goes, the mount stays for as long as its descriptor is open. */
	if (fchdir(tree) < 0 || chroot(".") < 0 || dup2(tree, ROOTFS_FD) < 0 || close(tree) < 0)
		return error_errno(err, "cannot enter the staging directory");
	return 0;
}

/*
 * What unpacking needs of root, and no more: CAP_SYS_ADMIN would let trusted.* attributes through, CAP_SYS_CHROOT
 * is a way out, CAP_SETFCAP would make file capabilities, CAP_MKNOD devices.
 */
static const cap_value_t kept[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID };

/* The order: what is read from the host, then the way in, then the powers. Never returns. */
static void extract_child(int archive_fd, int rootfs_fd, int report_fd, bool layer,
			  const struct extract_report *before)
{
	struct extract_report report = *before;
	struct carrel_error err = { 0 };
	struct digest *digest;

	confine_reset_signals();
	umask(022);
	int r = arrange_descriptors(archive_fd, report_fd, rootfs_fd, &err);
	if (r < 0 || confine_die_with_parent(REPORT_FD) < 0)
		_exit(1);
	digest = digest_new(512);
	r = digest ? load_locale(&err) : error_set(&err, ENOMEM, "cannot start a SHA-512 digest");
	if (r == 0)
		r = enter_rootfs(&err);
	if (r == 0)
		r = confine_limit_resources(MEMORY_MAX, EXTRACT_BYTES_MAX, &err);
	if (r == 0)
		r = confine_drop_capabilities(kept, (int)ARRAY_SIZE(kept), &err);
	if (r == 0) {
		extract_archive(ARCHIVE_FD, ROOTFS_FD, layer, digest, &report);
	} else {
		report.code = -r;
		memcpy(report.message, err.msg, sizeof(report.message));
	}
	_exit(write(REPORT_FD, &report, sizeof(report)) == sizeof(report) ? 0 : 1);
}

int extract_start(struct extract *extract, int archive_fd, int rootfs_fd, bool layer,
		  const struct extract_report *before, struct carrel_error *err)
{
	int pidfd = -EBADF, pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make a pipe");
	_cleanup_close_ int ours = pipe_fds[0], theirs = pipe_fds[1];
	pid_t pid = confine_fork(false, &pidfd, err);
	if (pid == 0)
		extract_child(archive_fd, rootfs_fd, theirs, layer, before);
	if (pid < 0)
		return pid;
	close_fd(&pidfd); /* the pipe says when it ends */
	extract->pid = pid;
	extract->report_fd = steal_fd(&ours);
	return 0;
}

/*
 * Until it is dead, and with it all that it may have started: nothing of it writes to the image from here on. One that has
 * reported, or closed the pipe, has no more to do, and is not waited for if it thinks otherwise. How one ended that has ended by
 * itself stays as it was.
 */
static int end_child(struct extract *extract)
{
	int status = 0;

	close_fd(&extract->report_fd);
	(void)kill(extract->pid, SIGKILL); /* our own child, not yet waited for: it cannot be a stranger */
	while (waitpid(extract->pid, &status, 0) < 0 && errno == EINTR)
		;
	extract->pid = 0;
	return status;
}

int extract_finish(struct extract *extract, struct extract_report *report, struct carrel_error *err)
{
	/* A pipe takes what is smaller than PIPE_BUF whole or not at all. */
	ssize_t n = read(extract->report_fd, report, sizeof(*report));
	int status = end_child(extract);

	if (n != sizeof(*report)) {
		memset(report, 0, sizeof(*report));
		if (WIFSIGNALED(status))
			return error_set(err, EIO, "the process that unpacks died by signal %d",
					 WTERMSIG(status));
		return error_set(err, EIO, "the process that unpacks gave up");
	}
	report->message[sizeof(report->message) - 1] = '\0';
	report->sha512[sizeof(report->sha512) - 1] = '\0';
	return report->code ? error_set(err, report->code, "%s", report->message) : 0;
}

void extract_abort(struct extract *extract)
{
	if (extract->pid > 0)
		(void)end_child(extract);
}
