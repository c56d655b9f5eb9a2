/* hog_files.h - forms of hog.c: files, and small objects of the kernel behind a descriptor or a number. */
#include "hog.h"

#include <fcntl.h>
#include <linux/aio_abi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static const char *file_name(void)
{
	static char name[300];

	snprintf(name, sizeof(name), "%s/hog-%s-%d-%ld", hog_dir, hog_form, hog_number, hog_step);
	return name;
}

static long take_files(void)
{
	int fd = open(file_name(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	long n = fill_file(fd);
	close(fd);
	return n;
}

/* The cache of what is read: holes of a file take no room on the disk, and all of it in memory. */
static long take_cache(void)
{
	static int fd;

	if (hog_step == 0) {
		fd = open(file_name(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0 || ftruncate(fd, 1 << 30) < 0)
			return -errno;
	}
	for (long done = 0; done < MIB; done += (long)sizeof(hog_data))
		if (read(fd, hog_data, sizeof(hog_data)) != (ssize_t)sizeof(hog_data))
			return -errno;
	return MIB;
}

static long take_empty(void)
{
	int fd = open(file_name(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 700;
}

/* Names that are not there are remembered, too. */
static long take_missing(void)
{
	return access(file_name(), F_OK) == 0 ? -EEXIST : 192;
}

static long take_open(void)
{
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) < 0 ? -errno : 192;
}

static long take_attributes(void)
{
	char name[32];
	static int fd;

	if (hog_step == 0) {
		fd = open(file_name(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
	}
	snprintf(name, sizeof(name), "user.%ld", hog_step);
	return fsetxattr(fd, name, hog_data, sizeof(hog_data), 0) < 0 ? -errno : (long)sizeof(hog_data);
}

/* Many files, since the kernel walks all locks of one for each. */
static long take_locks(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	int fd = open(file_name(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	for (; lock.l_start < 2 * 500; lock.l_start += 2)
		if (fcntl(fd, F_SETLK, &lock) < 0)
			return -errno;
	return 500 * 192;
}

static long take_events(void)
{
	return eventfd(0, EFD_CLOEXEC) < 0 ? -errno : 256;
}

static long take_timers(void)
{
	return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC) < 0 ? -errno : 384;
}

static long take_signalfds(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, SFD_CLOEXEC) < 0 ? -errno : 192;
}

static long take_inotify(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	return fd < 0 || inotify_add_watch(fd, "/etc", IN_ALL_EVENTS) < 0 ? -errno : 384;
}

/* Each watches all of the others' targets. */
static long take_epolls(void)
{
	static int targets[256];
	int fd = epoll_create1(EPOLL_CLOEXEC);

	if (hog_step == 0)
		for (int i = 0; i < 256; i++)
			targets[i] = eventfd(0, EFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (int i = 0; i < 256; i++) {
		struct epoll_event event = { .events = EPOLLIN };
		if (epoll_ctl(fd, EPOLL_CTL_ADD, targets[i], &event) < 0)
			return -errno;
	}
	return 256 * 128;
}

static long take_posix_timers(void)
{
	timer_t timer;

	return timer_create(CLOCK_MONOTONIC, NULL, &timer) < 0 ? -errno : 256;
}

static long take_signals(void)
{
	sigset_t set;

	if (hog_step == 0) {
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
	}
	return sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 0 }) < 0 ? -errno : 80;
}

static long take_aio(void)
{
	aio_context_t context = 0;

	return syscall(SYS_io_setup, 1000, &context) < 0 ? -errno : 32000;
}

static long take_semaphores(void)
{
	return semget(IPC_PRIVATE, 1000, IPC_CREAT | 0600) < 0 ? -errno : 64000;
}

static long take_ptys(void)
{
	return open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) < 0 ? -errno : 1;
}

static const struct form file_forms[] = {
	{ "files", take_files, false, false },
	{ "cache", take_cache, false, false },
	{ "empty", take_empty, false, false },
	{ "missing", take_missing, false, false },
	{ "open", take_open, false, false },
	{ "attributes", take_attributes, false, false },
	{ "locks", take_locks, false, false },
	{ "events", take_events, false, false },
	{ "timers", take_timers, false, false },
	{ "signalfds", take_signalfds, false, false },
	{ "inotify", take_inotify, false, false },
	{ "epolls", take_epolls, false, false },
	{ "posix-timers", take_posix_timers, false, false },
	{ "signals", take_signals, false, false },
	{ "aio", take_aio, false, false },
	{ "semaphores", take_semaphores, false, false },
	{ "ptys", take_ptys, true, false },
	{ NULL, NULL, false, false },
};
