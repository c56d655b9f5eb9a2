/*
 * seccomp_ordinary.h - of seccomp_probe.c: what programs do every day and the filter must leave alone.
 */
#ifndef SECCOMP_ORDINARY_H
#define SECCOMP_ORDINARY_H

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <sys/uio.h>

#include "seccomp_attacks.h"

static char scratch[4096];
static const int idle_signals[2];

static int start_process(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		close(STDERR_FILENO);
		execl("/proc/self/exe", "seccomp_probe", "--no-such-option", (char *)NULL);
		_exit(1);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? 0 : errno;
}

static void *touch(void *flag)
{
	*(int *)flag = 1;
	return NULL;
}

static int start_thread(void)
{
	pthread_t thread;
	int flag = 0;
	int error = pthread_create(&thread, NULL, touch, &flag);

	if (error == 0)
		error = pthread_join(thread, NULL);
	return error ? error : (flag ? 0 : ECHILD);
}

static int through(const int fd[2])
{
	char byte = 0;

	return write(fd[1], "x", 1) == 1 && read(fd[0], &byte, 1) == 1 && byte == 'x' ? 0 : errno;
}

static int use_pipe(void)
{
	int fd[2];

	return pipe2(fd, O_CLOEXEC) == 0 ? through(fd) : errno;
}

static int use_socketpair(void)
{
	int fd[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0 ? through(fd) : errno;
}

static int listen_inet(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0 ? 0
												    : errno;
}

static int watch_file(void)
{
	int fd = inotify_init1(IN_CLOEXEC);

	return fd >= 0 && inotify_add_watch(fd, "/", IN_CREATE) >= 0 ? 0 : errno;
}

static int map_memfd(void)
{
	int fd = memfd_create("probe", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 4096) != 0 || fchown(fd, geteuid(), getegid()) != 0 ||
	    fchmod(fd, 0600) != 0)
		return errno;
	return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED ? 0 : errno;
}

static int make_fifo(void)
{
	char name[] = "/tmp/seccomp_probe.XXXXXX";
	char fifo[64];

	if (!mkdtemp(name))
		return errno;
	snprintf(fifo, sizeof(fifo), "%s/fifo", name);
	int error = mkfifo(fifo, 0600) == 0 ? 0 : errno;
	unlink(fifo);
	rmdir(name);
	return error;
}

static int share_memory(void)
{
	int id = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);

	if (id < 0)
		return errno;
	int error = shmat(id, NULL, 0) != (void *)-1 ? 0 : errno; /* NOLINT(performance-no-int-to-ptr) */
	shmctl(id, IPC_RMID, NULL);
	return error;
}

static int use_semaphore(void)
{
	int id = semget(IPC_PRIVATE, 1, IPC_CREAT | 0600);

	return id >= 0 && semctl(id, 0, IPC_RMID) == 0 ? 0 : errno;
}

static int use_sysv_queue(void)
{
	int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);

	return id >= 0 && msgctl(id, IPC_RMID, NULL) == 0 ? 0 : errno;
}

static int use_posix_queue(void)
{
	char name[32];

	snprintf(name, sizeof(name), "/probe.%d", (int)getpid());
	mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL);
	return queue != (mqd_t)-1 && mq_unlink(name) == 0 ? 0 : errno;
}

static int trace_child(void)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return ECHILD;
	return ptrace(PTRACE_CONT, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid ? 0 : errno;
}

static int read_own_memory(void)
{
	char copy[8];
	struct iovec local = { copy, sizeof(copy) };
	struct iovec remote = { scratch, sizeof(copy) };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == sizeof(copy) ? 0 : errno;
}

static int read_clock_state(void)
{
	struct timex state = { .modes = 0 };

	return adjtimex(&state) >= 0 ? 0 : errno;
}

/* What gpg and ssh-agent insist on; that nothing changes is for the attacks to show. */
static int set_core_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) == 0 && setrlimit(RLIMIT_CORE, &limit) == 0 ? 0 : errno;
}

static int set_file_limit(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0 ? 0 : errno;
}

static int set_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	return syscall(SYS_capget, &header, data) == 0 && syscall(SYS_capset, &header, data) == 0 ? 0 : errno;
}

/* Asked by whoever has no rights over the system, it wants no_new_privs first. */
static int restrict_self(void)
{
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_landlock_restrict_self, -1, ALL) == 0 ? 0 : errno;
}

static int same_identity(void)
{
	return setresgid(getgid(), getgid(), getgid()) == 0 && setresuid(getuid(), getuid(), getuid()) == 0
		       ? 0
		       : errno;
}

static const struct open_how how_to_open = { .flags = O_RDONLY | O_CLOEXEC,
					     .resolve = RESOLVE_NO_MAGICLINKS };

static const struct probe ordinary[] = {
	STEP("fork and exec", 0, start_process),
	STEP("thread", 0, start_thread),
	CALL("clone as fork", 0, SYS_clone, SIGCHLD),
	CALL("unshare nothing of a namespace", 0, SYS_unshare, CLONE_FS | CLONE_FILES | CLONE_SYSVSEM),
	STEP("pipe", 0, use_pipe),
	STEP("socketpair", 0, use_socketpair),
	STEP("listen on AF_INET", 0, listen_inet),
	CALL("socket AF_UNIX", 0, SYS_socket, AF_UNIX, SOCK_STREAM, 0),
	CALL("socket AF_INET6", EINVAL, SYS_socket, AF_INET6, BAD_FLAG | SOCK_STREAM, 0),
	CALL("socket AF_INET6 of UDP", EINVAL, SYS_socket, AF_INET6, BAD_FLAG | SOCK_DGRAM, IPPROTO_UDP),
	CALL("socket AF_INET6 for ping", EINVAL, SYS_socket, AF_INET6, BAD_FLAG | SOCK_DGRAM, IPPROTO_ICMPV6),
	CALL("socket AF_INET of TCP", 0, SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP),
	CALL("socket AF_INET of UDP", 0, SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP),
	CALL("socket AF_INET for ping", EINVAL, SYS_socket, AF_INET, BAD_FLAG | SOCK_DGRAM, IPPROTO_ICMP),
	CALL("socket AF_INET, raw", EINVAL, SYS_socket, AF_INET, BAD_FLAG | SOCK_RAW, IPPROTO_RAW),
	CALL("socket AF_INET, high bits left by a compiler", 0, SYS_socket, HIGH | AF_INET,
	     HIGH | SOCK_STREAM, HIGH | IPPROTO_TCP),
	CALL("option of a socket", EBADF, SYS_setsockopt, -1, SOL_SOCKET, SO_REUSEADDR, BAD, 4),
	CALL("option of TCP", EBADF, SYS_setsockopt, -1, IPPROTO_TCP, SO_ATTACH_FILTER, BAD, 4),
	CALL("socket AF_NETLINK for routes", 0, SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE),
	CALL("socket AF_NETLINK, high bits left by a compiler", 0, SYS_socket, HIGH | AF_NETLINK, SOCK_RAW,
	     HIGH),
	CALL("epoll_create1", 0, SYS_epoll_create1, 0),
	CALL("eventfd2", 0, SYS_eventfd2, 0, 0),
	CALL("signalfd4", 0, SYS_signalfd4, -1, (long)idle_signals, 8, 0),
	CALL("timerfd_create", 0, SYS_timerfd_create, CLOCK_MONOTONIC, 0),
	CALL("pidfd_open", ESRCH, SYS_pidfd_open, 0x3fffff, 0),
	STEP("inotify", 0, watch_file),
	STEP("memfd, fchown, fchmod, mmap", 0, map_memfd),
	STEP("mkfifo", 0, make_fifo),
	CALL("getrandom", 0, SYS_getrandom, (long)scratch, 16, 0),
	CALL("statx", 0, SYS_statx, AT_FDCWD, (long)"/", 0, 0x7ff, (long)scratch),
	CALL("openat2", 0, SYS_openat2, AT_FDCWD, (long)"/", (long)&how_to_open, sizeof(how_to_open)),
	CALL("faccessat2", 0, SYS_faccessat2, AT_FDCWD, (long)"/", 0, 0),
	CALL("copy_file_range", EBADF, SYS_copy_file_range, -1, 0, -1, 0, 1, 0),
	/* not a path: an overlay has no handles to give */
	CALL("name_to_handle_at", EFAULT, SYS_name_to_handle_at, AT_FDCWD, BAD, BAD, BAD, 0),
	CALL("close_range", 0, SYS_close_range, 100, 200, 0),
	CALL("chroot", EFAULT, SYS_chroot, BAD),
	CALL("futex", 0, SYS_futex, (long)scratch, 1, 1),
	CALL("futex_waitv", EINVAL, SYS_futex_waitv, 0, 0, ALL),
	CALL("rseq", EINVAL, SYS_rseq, BAD, 1, ALL),
	CALL("membarrier", 0, SYS_membarrier, 0, 0),
	STEP("landlock_restrict_self", EINVAL, restrict_self),
	CALL("seccomp", 0, SYS_seccomp, 2, 0, (long)&(const uint32_t){ 0x7fff0000 }),
	CALL("prctl", 0, SYS_prctl, PR_CAPBSET_READ, 0),
	CALL("mmap", EBADF, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_NORESERVE | MAP_POPULATE, -1, 0),
	STEP("capget and capset", 0, set_capabilities),
	STEP("setresgid and setresuid", 0, same_identity),
	STEP("SysV shared memory", 0, share_memory),
	STEP("SysV semaphore", 0, use_semaphore),
	STEP("SysV message queue", 0, use_sysv_queue),
	STEP("POSIX message queue", 0, use_posix_queue),
	STEP("ptrace of a child", 0, trace_child),
	STEP("process_vm_readv", 0, read_own_memory),
	CALL("personality as it is", 0, SYS_personality, 0xffffffffL),
	CALL("personality ADDR_NO_RANDOMIZE", 0, SYS_personality, ADDR_NO_RANDOMIZE),
	STEP("adjtimex to read", 0, read_clock_state),
	CALL("sched_setaffinity", EFAULT, SYS_sched_setaffinity, 0, 8, BAD),
	CALL("ioprio_set", EINVAL, SYS_ioprio_set, -1, 0, 0),
	CALL("mlock", 0, SYS_mlock, (long)scratch, 16),
	CALL("madvise", EINVAL, SYS_madvise, 0, 4096, -1),
	CALL("read the core limit", 0, SYS_prlimit64, 0, RLIMIT_CORE, 0, (long)scratch),
	STEP("set the core limit, so they think", 0, set_core_limit),
	STEP("set the limit of open files", 0, set_file_limit),
	CALL("ioctl TCGETS", EBADF, SYS_ioctl, -1, TCGETS),
	CALL("ioctl TIOCSCTTY", EBADF, SYS_ioctl, -1, TIOCSCTTY),
	CALL("ioctl TIOCGPTN as musl passes it", EBADF, SYS_ioctl, -1, ~ALL | TIOCGPTN),
	CALL("ioctl TIOCGPTPEER", EBADF, SYS_ioctl, -1, TIOCGPTPEER),
	CALL("ioctl FICLONE", EBADF, SYS_ioctl, -1, FICLONE, -1),
	CALL("ioctl FICLONERANGE as musl passes it", EBADF, SYS_ioctl, -1, ~ALL | FICLONERANGE, BAD),
	CALL("ioctl FIDEDUPERANGE as musl passes it", EBADF, SYS_ioctl, -1, ~ALL | FIDEDUPERANGE, BAD),
};

#endif
