/*
 * fs.c - see fs.h. Runs as root in the keeper and in carrelctl, and inside the sandbox in init.
 *
 * Every function works from a descriptor and on one component, or leaves the resolution to openat2, so that
 * no name is looked up twice.
 */
#include "fs.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "cleanup.h"
#include "text.h"

#define OPEN_ATTEMPTS  64
#define LOCK_SLEEP_MAX (5 * 1000000L) /* nanoseconds */

int fs_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .mode = mode, .resolve = resolve };

	/* A rename anywhere on the system while ".." is resolved under a root gives EAGAIN: the kernel
	 * could not prove that it stayed inside, and asks to be called again. */
	for (int i = 0; i < OPEN_ATTEMPTS; i++) {
		long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return -EAGAIN;
}

int fs_open_child(int dirfd, const char *name, uint64_t flags)
{
	/* O_PATH takes no other flags. */
	if (!(flags & O_PATH))
		flags |= O_NONBLOCK | O_NOCTTY;
	return fs_openat2(dirfd, name, flags | O_NOFOLLOW, 0,
			  RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
}

int fs_go_up(int *fd, const struct fs_place *above)
{
	struct stat st;
	_cleanup_close_ int up = openat(*fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (up < 0 || fstat(up, &st) < 0)
		return -errno;
	if (st.st_dev != above->dev || st.st_ino != above->ino)
		return -ESTALE;
	close_fd(fd);
	*fd = steal_fd(&up);
	return 0;
}

DIR *fs_opendir(int dirfd)
{
	_cleanup_close_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (dir)
		steal_fd(&fd);
	return dir;
}

const char *fs_magic_path(char path[FS_MAGIC_MAX], int fd)
{
	(void)snprintf(path, FS_MAGIC_MAX, "/proc/self/fd/%d", fd);
	return path;
}

bool fs_is_component(const char *name)
{
	return *name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !strchr(name, '/') &&
	       strlen(name) <= NAME_MAX;
}

/*
 * Check and correct an open directory. One that was just made by us, here or in a process that got no further,
 * is 0700 and root's, and is handed to its owner now; any other owner was not our doing.
 */
static int settle_dir(int fd, const char *path, mode_t mode, uid_t uid, gid_t gid, struct carrel_error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, "cannot stat '%s'", path);
	bool unfinished = st.st_uid == geteuid() && (st.st_mode & 07777 & ~S_ISGID) == 0700;
	if (st.st_uid != uid && !unfinished)
		return error_set(err, EPERM, "'%s' belongs to uid %u, not %u", path, st.st_uid, uid);
	if (st.st_mode & 022 & ~mode)
		return error_set(err, EPERM, "'%s' has mode %04o: others than its owner could write to it",
				 path, st.st_mode & 07777);
	if ((st.st_uid != uid || st.st_gid != gid) && fchown(fd, uid, gid) < 0)
		return error_errno(err, "cannot change the owner of '%s'", path);
	if ((st.st_mode & 07777) != mode && fchmod(fd, mode) < 0)
		return error_errno(err, "cannot change the mode of '%s'", path);
	return 0;
}

static int ensure_dir(int dirfd, const char *path, mode_t mode, uid_t uid, gid_t gid,
		      struct carrel_error *err)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	_cleanup_close_ int fd = openat(dirfd, path, flags);

	if (fd < 0 && errno == ENOENT) {
		if (mkdirat(dirfd, path, 0700) < 0 && errno != EEXIST)
			return error_errno(err, "cannot make the directory '%s'", path);
		fd = openat(dirfd, path, flags);
	}
	if (fd < 0)
		return error_errno(err, "cannot open the directory '%s'", path);
	int r = settle_dir(fd, path, mode, uid, gid, err);
	if (r < 0)
		return r;
	int plain = openat(fd, ".", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return plain < 0 ? error_errno(err, "cannot open the directory '%s'", path) : plain;
}

int fs_ensure_dir(const char *path, mode_t mode, struct carrel_error *err)
{
	if (*path != '/')
		return error_set(err, EINVAL, "'%s' is not an absolute path", path);
	return ensure_dir(AT_FDCWD, path, mode, 0, 0, err);
}

int fs_exists(int dirfd, const char *name, struct carrel_error *err)
{
	if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return 1;
	return errno == ENOENT ? 0 : error_errno(err, "cannot look for '%s'", name);
}

int fs_ensure_dir_at(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid, struct carrel_error *err)
{
	if (!fs_is_component(name))
		return error_set(err, EINVAL, "'%s' is not a plain file name", name);
	return ensure_dir(dirfd, name, mode, uid, gid, err);
}

ssize_t fs_read_full(int fd, void *buf, size_t size)
{
	size_t used = 0;

	while (used < size) {
		ssize_t n = read(fd, (char *)buf + used, size - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		used += (size_t)n;
	}
	return (ssize_t)used;
}

ssize_t fs_read_fd(int fd, char *buf, size_t size)
{
	struct stat st;

	if (!size)
		return -EINVAL;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	/* Read to the end of the file and not to st_size, which is 0 in proc. The byte kept for the NUL is
	 * filled by the last read when the file is too long. */
	ssize_t n = fs_read_full(fd, buf, size);
	if (n < 0)
		return n;
	buf[(size_t)n == size ? size - 1 : (size_t)n] = '\0';
	return (size_t)n == size ? -EFBIG : n;
}

ssize_t fs_read_at(int dirfd, const char *path, char *buf, size_t size)
{
	_cleanup_close_ int fd = openat(dirfd, path,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	return fd < 0 ? -errno : fs_read_fd(fd, buf, size);
}

int fs_write_at(int dirfd, const char *path, const char *data)
{
	_cleanup_close_ int fd = openat(dirfd, path,
					O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	size_t size = strlen(data);

	if (fd < 0)
		return -errno;
	ssize_t n = write(fd, data, size);
	if (n < 0)
		return -errno;
	return (size_t)n == size ? 0 : -EIO;
}

static int write_all(int fd, const char *data, size_t size)
{
	while (size > 0) {
		ssize_t n = write(fd, data, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		size -= (size_t)n;
	}
	return 0;
}

/* The rename is on disk only when its directory is. `dirfd` may be O_PATH, which fsync refuses. */
static int sync_dir(int dirfd)
{
	_cleanup_close_ int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int fill_file(int fd, const char *data, size_t size, mode_t mode)
{
	int r = write_all(fd, data, size);

	if (r < 0)
		return r;
	return fchmod(fd, mode) < 0 || fsync(fd) < 0 ? -errno : 0;
}

int fs_replace_at(int dirfd, const char *name, const char *data, size_t size, mode_t mode)
{
	char temporary[NAME_MAX + 1];
	uint64_t random;

	if (!fs_is_component(name))
		return -EINVAL;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return -EIO;
	int r = text_format(temporary, sizeof(temporary), ".%s.%016llx", name, (unsigned long long)random);
	if (r < 0)
		return r;
	_cleanup_close_ int fd = openat(dirfd, temporary,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = fill_file(fd, data, size, mode);
	if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(dirfd, temporary, 0);
		return r;
	}
	return sync_dir(dirfd);
}

int fs_lock(int fd, int timeout_ms)
{
	int64_t deadline = fs_now_ms() + timeout_ms;
	struct timespec pause = { .tv_nsec = 250000L };

	/* flock has no time limit, and a library can neither use signals nor threads for one: ask again. */
	for (;;) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (fs_now_ms() >= deadline)
			return -ETIMEDOUT;
		(void)nanosleep(&pause, NULL);
		pause.tv_nsec = pause.tv_nsec * 2 < LOCK_SLEEP_MAX ? pause.tv_nsec * 2 : LOCK_SLEEP_MAX;
	}
}

int64_t fs_now_ms(void)
{
	struct timespec now = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
