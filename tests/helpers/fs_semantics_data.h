/* fs_semantics_data.h - mmap, sparse files, fallocate, locks, inotify, special files: cases of fs_semantics.c, which includes this. */
#ifndef TESTS_FS_SEMANTICS_DATA_H
#define TESTS_FS_SEMANTICS_DATA_H

#include "fs_semantics.h"

/* --- mmap --- */

static char *map(int fd, int flags)
{
	char *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}
static int mmap_shared(void)
{
	char *at = map(put("a", "aaaa"), MAP_SHARED);

	if (!at)
		return -errno;
	at[0] = 'b';
	return holds("a", "baaa");
}
static int mmap_sees_write(void)
{
	int fd = put("a", "aaaa");
	char *at = map(fd, MAP_SHARED);

	if (!at)
		return -errno;
	TRY(pwrite(fd, "b", 1, 0));
	return at[0] == 'b';
}
static int mmap_private(void)
{
	char *at = map(put("a", "aaaa"), MAP_PRIVATE);

	if (!at)
		return -errno;
	at[0] = 'b';
	return holds("a", "aaaa");
}
static int mmap_past_end(void)
{
	int fd = put("a", "aaaa"), status = 0;
	char *at = map(fd, MAP_SHARED);

	TRY(ftruncate(fd, 0));
	if (fork() == 0) {
		signal(SIGBUS, SIG_DFL);
		_exit(at[0]);
	}
	wait(&status);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}
static int mmap_msync(void)
{
	char *at = map(put("a", "aaaa"), MAP_SHARED);

	at[1] = 'c';
	TRY(msync(at, 4096, MS_SYNC));
	return munmap(at, 4096) == 0 && holds("a", "acaa") == 1;
}
static int exec_busy(void)
{
	int status = 0, pipes[2];
	char self[256], byte;
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	TRY(n);
	self[n] = '\0';
	int from = open(self, O_RDONLY | O_CLOEXEC), to = open("prog", O_WRONLY | O_CREAT | O_CLOEXEC, 0755);
	struct stat st;
	TRY(fstat(from, &st));
	TRY(sendfile(to, from, NULL, (size_t)st.st_size));
	close(to);
	TRY(pipe2(pipes, 0));
	pid_t pid = fork();
	if (pid == 0) {
		dup2(pipes[1], 1);
		execl("./prog", "prog", "--wait", (char *)NULL);
		_exit(127);
	}
	TRY(read(pipes[0], &byte, 1));
	int fd = open("prog", O_WRONLY | O_CLOEXEC), error = errno;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return fd < 0 ? -error : 1;
}

/* --- sparse files, fallocate, copies --- */

static int sparse_blocks(void)
{
	int fd = put("a", "");

	TRY(pwrite(fd, "x", 1, 10 << 20));
	TRY(fsync(fd));
	return look("a").st_blocks < 64 && look("a").st_size == (10 << 20) + 1;
}
static int sparse_seek(void)
{
	int fd = put("a", "");

	TRY(pwrite(fd, "x", 1, 1 << 20));
	TRY(fsync(fd));
	return lseek(fd, 0, SEEK_DATA) == 1 << 20 && lseek(fd, 0, SEEK_HOLE) == 0;
}
static int truncate_grows(void)
{
	char c = 1;
	int fd = put("a", "abc");

	TRY(truncate("a", 2));
	TRY(truncate("a", 100));
	TRY(pread(fd, &c, 1, 2));
	return c == 0 && look("a").st_size == 100;
}
static int allocate(int mode, off_t at, off_t length)
{
	static char block[4 * 4096];
	int fd = put("a", "");

	memset(block, 'x', sizeof(block));
	TRY(write(fd, block, sizeof(block)));
	TRY(fallocate(fd, mode, at, length));
	return (int)look("a").st_size;
}
static int fallocate_plain(void)
{
	return allocate(0, 0, 1 << 20);
}
static int fallocate_keep_size(void)
{
	return allocate(FALLOC_FL_KEEP_SIZE, 0, 1 << 20);
}
static int fallocate_punch(void)
{
	return allocate(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 4096);
}
static int fallocate_zero(void)
{
	return allocate(FALLOC_FL_ZERO_RANGE, 4096, 4096);
}
static int fallocate_collapse(void)
{
	return allocate(FALLOC_FL_COLLAPSE_RANGE, 4096, 4096);
}
static int fallocate_insert(void)
{
	return allocate(FALLOC_FL_INSERT_RANGE, 4096, 4096);
}
static int copy_range(void)
{
	int from = put("a", "hello"), to = put("b", "");
	off_t at = 1;

	TRY(copy_file_range(from, &at, to, NULL, 3, 0));
	return holds("b", "ell");
}
static int clone_file(void)
{
	int from = put("a", "hello"), to = put("b", "");

	TRY(ioctl(to, FICLONE, from));
	return 1;
}
static int append(void)
{
	put("a", "ab");
	int fd = open("a", O_WRONLY | O_APPEND | O_CLOEXEC);

	TRY(pwrite(fd, "c", 1, 0));
	return holds("a", "abc");
}

/* --- locks --- */

static int flock_conflict(void)
{
	put("a", "a");
	int one = open("a", O_RDONLY | O_CLOEXEC), two = open("a", O_RDWR | O_CLOEXEC);

	TRY(flock(one, LOCK_EX));
	TRY(flock(two, LOCK_EX | LOCK_NB));
	return 1;
}
static int flock_shared(void)
{
	put("a", "a");
	int one = open("a", O_RDONLY | O_CLOEXEC), two = open("a", O_RDWR | O_CLOEXEC);

	TRY(flock(one, LOCK_SH));
	TRY(flock(two, LOCK_SH | LOCK_NB));
	return 1;
}
static int lock_ofd(void)
{
	struct flock lock = { .l_type = F_WRLCK };

	put("a", "a");
	int one = open("a", O_RDWR | O_CLOEXEC), two = open("a", O_RDWR | O_CLOEXEC);
	TRY(fcntl(one, F_OFD_SETLK, &lock));
	TRY(fcntl(two, F_OFD_SETLK, &lock));
	return 1;
}
static int lock_posix(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_len = 1 };
	int status = 0, fd = put("a", "a");

	TRY(fcntl(fd, F_SETLK, &lock));
	if (fork() == 0)
		_exit(fcntl(fd, F_SETLK, &lock) < 0 ? errno : 0);
	wait(&status);
	return -WEXITSTATUS(status);
}
static int lease(void)
{
	put("a", "a");
	int fd = open("a", O_RDONLY | O_CLOEXEC);

	TRY(fcntl(fd, F_SETLEASE, F_RDLCK));
	return fcntl(fd, F_GETLEASE) == F_RDLCK;
}

/* --- inotify: the events in order, as the sum of what they are --- */

static int events(int fd)
{
	_Alignas(struct inotify_event) char buf[4096];
	struct pollfd p = { .fd = fd, .events = POLLIN };
	unsigned seen = 0, count = 0;

	while (poll(&p, 1, 50) > 0) {
		ssize_t n = read(fd, buf, sizeof(buf));
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);
			seen |= event->mask & ~(uint32_t)IN_ISDIR;
			count++;
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	return (int)(seen + count * 100000);
}
static int inotify_directory(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	TRY(mkdir("d", 0755));
	TRY(inotify_add_watch(fd, "d", IN_ALL_EVENTS & ~(IN_OPEN | IN_CLOSE | IN_ACCESS)));
	put("d/a", "a");
	TRY(chmod("d/a", 0600));
	TRY(rename("d/a", "d/b"));
	TRY(unlink("d/b"));
	return events(fd);
}
static int inotify_file(void)
{
	int fd = inotify_init1(IN_CLOEXEC), file = put("a", "a");

	TRY(inotify_add_watch(fd, "a", IN_MODIFY | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF));
	TRY(write(file, "b", 1));
	TRY(ftruncate(file, 0));
	TRY(rename("a", "b"));
	TRY(unlink("b"));
	close(file);
	return events(fd);
}

/* --- special files, flags --- */

static int fifo(void)
{
	char c = 0;

	TRY(mkfifo("f", 0644));
	int fd = open("f", O_RDWR | O_CLOEXEC);
	TRY(write(fd, "x", 1));
	TRY(read(fd, &c, 1));
	return c == 'x';
}
static int unix_socket(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "s" };
	int one = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int two = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	TRY(bind(one, (struct sockaddr *)&address, sizeof(address)));
	TRY(listen(one, 1));
	TRY(connect(two, (struct sockaddr *)&address, sizeof(address)));
	return S_ISSOCK(look("s").st_mode);
}
static int device(void)
{
	TRY(mknod("n", S_IFCHR | 0666, 0x103));
	return 1;
}
static int immutable(void)
{
	int fd = put("a", "a"), flags = 0;

	TRY(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_IMMUTABLE_FL;
	TRY(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	return 1;
}
static int birth(void)
{
	struct statx stx;

	put("a", "a");
	TRY(statx(AT_FDCWD, "a", 0, STATX_BTIME, &stx));
	return (stx.stx_mask & STATX_BTIME) && stx.stx_btime.tv_sec > 1500000000;
}
static int direct(void)
{
	void *buf = NULL;

	close(put("a", "a"));
	if (posix_memalign(&buf, 4096, 4096))
		return -ENOMEM;
	memset(buf, 'x', 4096);
	int fd = open("a", O_RDWR | O_DIRECT | O_CLOEXEC);
	TRY(fd);
	return (int)pwrite(fd, buf, 4096, 0);
}
static int sync_all(void)
{
	int fd = put("a", "a");

	TRY(fsync(fd));
	TRY(fdatasync(fd));
	TRY(syncfs(fd));
	return 1;
}

#endif
