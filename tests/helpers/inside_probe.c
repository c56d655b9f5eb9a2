/*
 * inside_probe.c - what a hostile root of a sandbox tries that a minimal image has no tool for.
 *
 *	inside_probe ptrace PID      attach to it as a debugger
 *	inside_probe vm PID          read its memory with process_vm_readv
 *	inside_probe mem PID         open its memory in /proc for writing
 *	inside_probe pidfd PID       take its descriptor 0 with pidfd_getfd
 *	inside_probe core PID        change its limit of core files, with setrlimit (PID 0: itself) and prlimit
 *	inside_probe filecaps FILE   give FILE every capability
 *	inside_probe mount DIR       mount a tmpfs there
 *	inside_probe inotify COUNT   make that many instances, say how many there are, and keep them
 *	inside_probe give DIR SOCKET open DIR and send it to whoever keeps what comes by SOCKET
 *	inside_probe keep SOCKET     make it, take what is sent there, say so, and keep it
 *	inside_probe caps            print the permitted capabilities, as in /proc/self/status
 *
 * core prints what the limit is then, caps what they are, and the others "done" or the errno's name, with exit status
 * 0 or 1. Linked statically, to run in any rootfs. On the host it is the control: there the same attempts succeed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int tell(long result)
{
	puts(result < 0 ? strerrorname_np(errno) : "done");
	return result < 0;
}

static int try_ptrace(const char *pid)
{
	int status;
	pid_t target = (pid_t)strtol(pid, NULL, 10);
	long result = ptrace(PTRACE_ATTACH, target, NULL, NULL);

	/* Attaching sends a SIGSTOP, which must be taken before the end: a target that is just being exec'd stops for that first. */
	while (result == 0 && waitpid(target, &status, __WALL) == target && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) == SIGSTOP) {
			ptrace(PTRACE_DETACH, target, NULL, NULL);
			break;
		}
		ptrace(PTRACE_CONT, target, NULL, NULL);
	}
	return tell(result);
}

/* An address that is mapped in every process started from this binary; elsewhere EFAULT, which is past the check. */
static int try_vm(const char *pid)
{
	char byte;
	struct iovec local = { &byte, 1 }, remote = { (void *)(uintptr_t)try_vm, 1 };
	ssize_t n = process_vm_readv((pid_t)strtol(pid, NULL, 10), &local, 1, &remote, 1, 0);

	return tell(n < 0 && errno == EFAULT ? 0 : n);
}

static int try_mem(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	return tell(open(path, O_RDWR | O_CLOEXEC));
}

static int try_pidfd(const char *pid)
{
	long fd = syscall(SYS_pidfd_open, strtol(pid, NULL, 10), 0);

	return tell(fd < 0 ? fd : syscall(SYS_pidfd_getfd, fd, 0, 0));
}

/* Whatever the calls say: what counts is what the limit is afterwards. */
static int try_core(const char *pid)
{
	const struct rlimit none = { 0, 0 }, more = { 1 << 20, 1 << 20 };
	struct rlimit now;
	long target = strtol(pid, NULL, 10);

	if (target == 0) {
		setrlimit(RLIMIT_CORE, &more);
		setrlimit(RLIMIT_CORE, &none);
	}
	syscall(SYS_prlimit64, target, RLIMIT_CORE, &more, NULL);
	syscall(SYS_prlimit64, target, RLIMIT_CORE, &none, &now);
	syscall(SYS_prlimit64, target, RLIMIT_CORE, &none, NULL);
	if (syscall(SYS_prlimit64, target, RLIMIT_CORE, NULL, &now) < 0)
		err(2, "prlimit");
	printf("%llu %llu\n", (unsigned long long)now.rlim_cur, (unsigned long long)now.rlim_max);
	return 0;
}

/* Permitted and not effective: a program with those starts even where it does not get them all. */
static int try_filecaps(const char *file)
{
	struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2,
		.data = { { .permitted = 0xffffffffu }, { .permitted = 0x1ffu } },
	};

	return tell(setxattr(file, "security.capability", &data, sizeof(data), 0));
}

static int try_mount(const char *dir)
{
	return tell(mount("attack", dir, "tmpfs", 0, NULL));
}

static int print_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		err(2, "capget");
	printf("%08x%08x\n", data[1].permitted, data[0].permitted);
	return 0;
}

static int try_inotify(const char *text)
{
	int count = 0, wanted = (int)strtol(text, NULL, 10);

	while (count < wanted && inotify_init1(IN_CLOEXEC) >= 0)
		count++;
	printf("%d\n", count);
	fflush(stdout);
	if (count > 1)
		pause();
	return count < wanted;
}

static struct sockaddr_un named(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	return at;
}

/* One message with room for one descriptor, which is in it already when it is to be sent. */
static long pass(int socket, int *fd, bool send)
{
	union {
		char buf[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *head = CMSG_FIRSTHDR(&m);

	head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(head), fd, sizeof(int));
	long n = send ? sendmsg(socket, &m, 0) : recvmsg(socket, &m, 0);
	memcpy(fd, CMSG_DATA(head), sizeof(int));
	return n;
}

static int try_give(const char *dir, const char *path)
{
	const struct sockaddr_un at = named(path);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int s = socket(AF_UNIX, SOCK_STREAM, 0);

	return tell(fd < 0 || connect(s, (const struct sockaddr *)&at, sizeof(at)) < 0 ? -1
										       : pass(s, &fd, true));
}

static int try_keep(const char *path)
{
	const struct sockaddr_un at = named(path);
	int fd = -1, s = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0 || chmod(path, 0777) < 0 ||
	    listen(s, 1) < 0 || pass(accept(s, NULL, NULL), &fd, false) < 0 || fd < 0)
		return tell(-1);
	tell(0);
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
	const struct {
		const char *word;
		int (*run)(const char *);
	} tries[] = {
		{ "ptrace", try_ptrace }, { "vm", try_vm },	      { "mem", try_mem },
		{ "pidfd", try_pidfd },	  { "core", try_core },	      { "filecaps", try_filecaps },
		{ "mount", try_mount },	  { "inotify", try_inotify }, { "keep", try_keep },
	};

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]) && argc == 3; i++)
		if (strcmp(word, tries[i].word) == 0)
			return tries[i].run(what);
	if (argc == 2 && strcmp(word, "caps") == 0)
		return print_caps();
	if (argc == 4 && strcmp(word, "give") == 0)
		return try_give(what, argv[3]);
	errx(2, "usage: inside_probe ptrace|vm|mem|pidfd|core PID | filecaps FILE | mount DIR | inotify "
		"COUNT | give DIR SOCKET | keep SOCKET | caps");
}
