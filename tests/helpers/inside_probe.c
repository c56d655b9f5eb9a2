/*
 * inside_probe.c - what a hostile root of a sandbox tries that a minimal image has no tool for.
 *
 *	inside_probe ptrace PID      attach to it as a debugger
 *	inside_probe vm PID          read its memory with process_vm_readv
 *	inside_probe mem PID         open its memory in /proc for writing
 *	inside_probe pidfd PID       take its descriptor 0 with pidfd_getfd
 *	inside_probe core            change the limit of core files, by setrlimit and prlimit; prints the limit after it
 *	inside_probe filecaps FILE   give FILE every capability
 *	inside_probe caps            print the effective capabilities, as in /proc/self/status
 *	inside_probe mount DIR       mount a tmpfs there
 *
 * The first words try one thing and print "done", or the errno's name; exit status 0 or 1. Linked statically, to run
 * in any rootfs. In the host's view it is the control: there the same attempts succeed.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
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

	if (result == 0 && waitpid(target, &status, __WALL) == target)
		ptrace(PTRACE_DETACH, target, NULL, NULL);
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
static int try_core(void)
{
	const struct rlimit none = { 0, 0 }, more = { 1 << 20, 1 << 20 };
	struct rlimit now;

	setrlimit(RLIMIT_CORE, &more);
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &more, NULL);
	syscall(SYS_prlimit64, getppid(), RLIMIT_CORE, &none, NULL);
	syscall(SYS_prlimit64, 1, RLIMIT_CORE, &none, NULL);
	setrlimit(RLIMIT_CORE, &none);
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, &now);
	syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
	if (getrlimit(RLIMIT_CORE, &now) < 0)
		err(2, "getrlimit");
	printf("%llu %llu\n", (unsigned long long)now.rlim_cur, (unsigned long long)now.rlim_max);
	return 0;
}

static int try_filecaps(const char *file)
{
	struct vfs_cap_data data = {
		.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE,
		.data = { { .permitted = 0xffffffffu }, { .permitted = 0x1ffu } },
	};

	return tell(setxattr(file, "security.capability", &data, sizeof(data), 0));
}

static int print_caps(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data) < 0)
		err(2, "capget");
	printf("%08x%08x\n", data[1].effective, data[0].effective);
	return 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
	const struct {
		const char *word;
		int (*run)(const char *);
	} tries[] = { { "ptrace", try_ptrace },
		      { "vm", try_vm },
		      { "mem", try_mem },
		      { "pidfd", try_pidfd },
		      { "filecaps", try_filecaps } };

	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]) && argc == 3; i++)
		if (strcmp(word, tries[i].word) == 0)
			return tries[i].run(what);
	if (argc == 3 && strcmp(word, "mount") == 0)
		return tell(mount("attack", what, "tmpfs", 0, NULL));
	if (argc == 2 && strcmp(word, "core") == 0)
		return try_core();
	if (argc == 2 && strcmp(word, "caps") == 0)
		return print_caps();
	errx(2, "usage: inside_probe ptrace|vm|mem|pidfd PID | filecaps FILE | mount DIR | core | caps");
}
