/* limits.c - see limits.h. Run by the keeper, as root, on the host. */
#include "limits.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/mountfd.h"
#include "core/units.h"
#include "disk.h"
#include "watch_groups.h"

#define TEXT_MAX 4096

/* One keeper, one session. Not in struct keeper, which init has a copy of. */
static struct {
	int file;    /* of the file, read and write: it holds the lease */
	int signals; /* SIGIO */
	struct source *source;
} limits = { .file = -EBADF, .signals = -EBADF };

int limits_make(struct keeper *k, struct carrel_error *err)
{
	static const struct mountfd_option options[] = {
		{ "source", "carrel" }, { "mode", "0755" }, { "size", "16384" },
		{ "nr_inodes", "4" },	{ NULL, NULL },
	};
	sigset_t io;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	sigprocmask(SIG_BLOCK, &io, NULL);
	k->limits_fd = mountfd_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
				   err);
	if (k->limits_fd < 0)
		return k->limits_fd;
	limits.file = openat(k->limits_fd, LIMITS_FILE, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
	if (limits.file < 0)
		return error_errno(err, "cannot make the file of limits");
	/* Whoever opens it from here on waits for limits_start(); where /proc/sys/fs/leases-enable is 0, finds it empty. */
	(void)fcntl(limits.file, F_SETLEASE, F_WRLCK);
	return 0;
}

/* Of the limits of the user's files that are in force now. */
static bool disk_rows(const struct keeper *k, struct usage_row rows[USAGE_DISK_ROWS])
{
	struct disk_room bytes, files;

	if (k->policy.rootfs == ROOTFS_EPHEMERAL || !disk_look(k, &bytes, &files))
		return false;
	bool has_bytes = bytes.level == LEVEL_USER, has_files = files.level == LEVEL_USER && files.total;
	usage_disk_rows(has_bytes ? bytes.used : UNIT_NONE, has_bytes ? bytes.total : UNIT_NONE,
			has_files ? files.used : UNIT_NONE, has_files ? files.total : UNIT_NONE, rows);
	return has_bytes || has_files;
}

/* One write, so that a reader has all of the old text or all of the new one. */
static void refresh(struct keeper *k)
{
	struct usage levels[USAGE_LEVELS];
	char text[TEXT_MAX];

	int count = usage_read_levels(k->cgroups, k->record.cgroup, USAGE_SESSION, levels, NULL);
	struct usage_row disk[USAGE_DISK_ROWS];
	size_t n = limits_format(text, sizeof(text), levels, count > 0 ? count : 0,
				 disk_rows(k, disk) ? disk : NULL);
	/* What is left of a longer text goes; a failure leaves what was there. */
	if (pwrite(limits.file, text, n, 0) != (ssize_t)n || ftruncate(limits.file, (off_t)n) < 0)
		return;
}

/* A reader waits (SIGIO), or it is time to take the lease again. */
static enum ending serve(struct keeper *k, struct source *self, short revents)
{
	struct signalfd_siginfo info;

	if (revents) {
		if (read(limits.signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			return ENDING_NONE;
		refresh(k);
		fcntl(limits.file, F_SETLEASE, F_UNLCK);
		self->due = fs_now_ms() + LIMITS_REST_MS;
	} else if (fcntl(limits.file, F_SETLEASE, F_WRLCK) < 0) {
		self->due = fs_now_ms() + (errno == EAGAIN ? LIMITS_HELD_MS : LIMITS_NO_LEASE_MS);
		refresh(k);
	}
	return ENDING_NONE;
}

void limits_start(struct keeper *k)
{
	/* Due at once, in case there is no lease; taking it a second time changes nothing. */
	struct source source = { .events = POLLIN, .due = 0, .run = serve };
	sigset_t io;

	sigemptyset(&io);
	sigaddset(&io, SIGIO);
	limits.signals = source.fd = signalfd(-1, &io, SFD_CLOEXEC | SFD_NONBLOCK);
	if (limits.signals >= 0)
		limits.source = supervise_add(k, &source);
	if (!limits.source)
		limits_stop();
}

void limits_stop(void)
{
	close_fd(&limits.file); /* and with it the lease */
	close_fd(&limits.signals);
}
