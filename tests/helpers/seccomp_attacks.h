/*
 * seccomp_attacks.h - of seccomp_probe.c: what the filter must refuse.
 */
#ifndef SECCOMP_ATTACKS_H
#define SECCOMP_ATTACKS_H

#include <errno.h>
#include <linux/btrfs.h>
#include <linux/memfd.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLED (-1)

/* A system call with its arguments, or a function that returns 0 or an errno. */
struct probe {
	const char *name;
	int expect; /* attacks: how the filter refuses. Ordinary calls: how they end, filter or not */
	bool closed_by_some_kernels; /* so that a control cannot insist */
	int (*run)(void);
	long number;
	long arg[6];
};

#define CALL(name_, expect_, number_, ...)                                                  \
	{                                                                                   \
		.name = name_, .expect = expect_, .number = number_, .arg = { __VA_ARGS__ } \
	}
#define CALL_IF(name_, expect_, number_, ...)                                                        \
	{                                                                                            \
		.name = name_, .expect = expect_, .closed_by_some_kernels = true, .number = number_, \
		.arg = { __VA_ARGS__ }                                                               \
	}
#define STEP(name_, expect_, run_)                            \
	{                                                     \
		.name = name_, .expect = expect_, .run = run_ \
	}

#define ATTACH(name_, option_) CALL(name_, ENOPROTOOPT, SYS_setsockopt, -1, SOL_SOCKET, option_, BAD, 16)

#define BAD	 1L	     /* no address */
#define ALL	 0xffffffffL /* no valid set of flags */
#define HIGH	 (1L << 32)  /* what the kernel drops from a 32-bit argument */
#define UNTRIED	 253	     /* for want of what it would be tried with; no errno */
#define BAD_TYPE 15L	     /* no type of socket: EINVAL for every family, even one that is not built in */

#define BAD_FLAG 0x100L /* of a socket's type: likewise EINVAL, and no module is loaded for the protocol */

#define SYS_OPEN_TREE_ATTR 467 /* Linux 6.15 */

static const uint64_t clone3_args[11] = { [0] = CLONE_NEWUSER, [4] = SIGCHLD };
static const struct timeval bad_time = { .tv_usec = 2000000 };

/* Every family but the four, and netlink but for routes: EAFNOSUPPORT, or what else one of them gave. */
static int try_families(long high)
{
	for (long family = 0; family < 64; family++) {
		bool fine = family == AF_UNIX || family == AF_INET || family == AF_INET6;
		for (long protocol = 0; protocol < 32 && !fine; protocol++) {
			if (family == AF_NETLINK && protocol == NETLINK_ROUTE)
				continue;
			if (syscall(SYS_socket, high | family, BAD_TYPE, high | protocol) != -1 ||
			    errno != EAFNOSUPPORT)
				return errno;
		}
	}
	return EAFNOSUPPORT;
}

static int other_families(void)
{
	return try_families(0);
}

static int other_families_high(void)
{
	return try_families(HIGH);
}

static bool is_usual(long family, long type, long protocol)
{
	switch (type) {
	case SOCK_STREAM:
		return protocol == 0 || protocol == IPPROTO_TCP;
	case SOCK_DGRAM:
		return protocol == 0 || protocol == IPPROTO_UDP ||
		       protocol == (family == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	}
	return type == SOCK_RAW; /* needs a right */
}

/* Every protocol but the usual ones: EPROTONOSUPPORT, or what else one of them gave. */
static int try_protocols(long family, long high)
{
	for (long type = 0; type < 16; type++) {
		for (long protocol = 0; protocol < 512; protocol++) {
			if (is_usual(family, type, protocol))
				continue;
			if (syscall(SYS_socket, high | family, high | BAD_FLAG | type, high | protocol) !=
				    -1 ||
			    errno != EPROTONOSUPPORT)
				return errno;
		}
	}
	return EPROTONOSUPPORT;
}

static int other_protocols(void)
{
	return try_protocols(AF_INET, 0);
}

static int other_protocols_high(void)
{
	return try_protocols(AF_INET, HIGH);
}

static int other_protocols_6(void)
{
	return try_protocols(AF_INET6, 0);
}

/*
 * EPERM when the core limit stands, whatever the call said; 0 when it could be moved. One of 0, which a root without
 * CAP_SYS_RESOURCE cannot raise (attack/privileges looks whether it may be 0), has nowhere to go.
 */
static int move_core_limit(long number, long arg0, long arg1, bool swap)
{
	struct rlimit limit, after, old;

	if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_max == 0)
		return UNTRIED;
	limit.rlim_max--;
	limit.rlim_cur = limit.rlim_max;
	if (number == SYS_setrlimit)
		syscall(number, arg0, &limit);
	else
		syscall(number, arg0, arg1, &limit, swap ? &old : NULL);
	if (getrlimit(RLIMIT_CORE, &after) != 0)
		return errno;
	return after.rlim_max == limit.rlim_max ? 0 : EPERM;
}

static int core_setrlimit(void)
{
	return move_core_limit(SYS_setrlimit, RLIMIT_CORE, 0, false);
}

static int core_setrlimit_high(void)
{
	return move_core_limit(SYS_setrlimit, HIGH | RLIMIT_CORE, 0, false);
}

static int core_prlimit(void)
{
	return move_core_limit(SYS_prlimit64, 0, RLIMIT_CORE, false);
}

static int core_prlimit_swap(void)
{
	return move_core_limit(SYS_prlimit64, 0, HIGH | RLIMIT_CORE, true);
}

#ifdef __x86_64__
static int i386_getpid(void)
{
	long result = 20; /* __NR_getpid of i386 */

	__asm__ volatile("int $0x80" : "+a"(result) : : "memory", "r8", "r9", "r10", "r11");
	return result < 0 ? (int)-result : 0;
}

/* The child asks for getppid; its tracer makes it setns when the filter might have looked already. */
static int swap_by_ptrace(void)
{
	struct user_regs_struct regs;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		_exit(syscall(SYS_getppid, -1L, 0L) < 0 ? errno : 0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
		return ECHILD;
	while (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status)) {
		if (ptrace(PTRACE_GETREGS, pid, NULL, &regs) != 0)
			return ESRCH;
		if (regs.orig_rax == SYS_getppid) {
			regs.orig_rax = SYS_setns;
			ptrace(PTRACE_SETREGS, pid, NULL, &regs);
		}
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}
#endif

static const struct probe attacks[] = {
	CALL_IF("io_uring_setup", EPERM, SYS_io_uring_setup, 1, BAD),
	CALL("io_uring_enter", EPERM, SYS_io_uring_enter, -1),
	CALL("io_uring_register", EPERM, SYS_io_uring_register, -1),
	CALL("bpf", EPERM, SYS_bpf, 0, BAD, 8),
	CALL("perf_event_open", EPERM, SYS_perf_event_open, BAD),
	CALL("userfaultfd", EPERM, SYS_userfaultfd, ALL),
	CALL("add_key", EPERM, SYS_add_key, BAD, BAD, BAD, 1),
	CALL("request_key", EPERM, SYS_request_key, BAD, BAD),
	CALL("keyctl", EPERM, SYS_keyctl, -1),
	CALL("kcmp", EPERM, SYS_kcmp, 0, 0, -1),
	CALL("pidfd_getfd", EPERM, SYS_pidfd_getfd, -1, 0, 1),
	CALL("open_by_handle_at", EPERM, SYS_open_by_handle_at, -1, BAD, 0),
	CALL("mount", EPERM, SYS_mount, BAD, BAD, BAD, 0, BAD),
	CALL("umount2", EPERM, SYS_umount2, BAD, ALL),
	CALL("pivot_root", EPERM, SYS_pivot_root, BAD, BAD),
	CALL("fsopen", EPERM, SYS_fsopen, BAD, ALL),
	CALL("fsmount", EPERM, SYS_fsmount, -1, ALL),
	CALL("fsconfig", EPERM, SYS_fsconfig, -1),
	CALL("fspick", EPERM, SYS_fspick, -1, BAD, ALL),
	CALL("move_mount", EPERM, SYS_move_mount, -1, BAD, -1, BAD, ALL),
	CALL("open_tree", EPERM, SYS_open_tree, -1, BAD, ALL),
	CALL("open_tree_attr", EPERM, SYS_OPEN_TREE_ATTR, -1, BAD, ALL),
	CALL("mount_setattr", EPERM, SYS_mount_setattr, -1, BAD, ALL),
	CALL("setns", EPERM, SYS_setns, -1),
	CALL("quotactl", EPERM, SYS_quotactl, ALL, BAD),
	CALL("quotactl_fd", EPERM, SYS_quotactl_fd, -1, ALL),
	CALL_IF("kexec_load", EPERM, SYS_kexec_load, 0, ALL, BAD, ALL),
	CALL_IF("kexec_file_load", EPERM, SYS_kexec_file_load, -1, -1, 0, BAD, ALL),
	CALL_IF("init_module", EPERM, SYS_init_module, BAD, 0, BAD),
	CALL_IF("finit_module", EPERM, SYS_finit_module, -1, BAD, ALL),
	CALL_IF("delete_module", EPERM, SYS_delete_module, BAD, 0),
	CALL("io_setup", ENOSYS, SYS_io_setup, 1, BAD),
	CALL("fanotify_init", EPERM, SYS_fanotify_init, ALL, ALL),
	CALL("swapon", EPERM, SYS_swapon, BAD, ALL),
	CALL("swapoff", EPERM, SYS_swapoff, BAD),
	CALL("reboot", EPERM, SYS_reboot, 0, 0, 0),
	CALL("settimeofday", EPERM, SYS_settimeofday, (long)&bad_time),
	CALL("clock_settime", EPERM, SYS_clock_settime, -1, BAD),
	CALL("acct", EPERM, SYS_acct, BAD),
	CALL("syslog", EPERM, SYS_syslog, 10),
	CALL("vhangup", EPERM, SYS_vhangup, 0),
	CALL("mbind", EPERM, SYS_mbind, 0, 0, ALL, 0, 0, ALL),
	CALL("migrate_pages", EPERM, SYS_migrate_pages, -1, ALL, BAD, BAD),
	CALL("move_pages", EPERM, SYS_move_pages, -1, 0, 0, 0, 0, ALL),

	CALL("unshare user", EPERM, SYS_unshare, CLONE_NEWUSER),
	CALL("unshare user, high bits", EPERM, SYS_unshare, HIGH | CLONE_NEWUSER),
	CALL("unshare mount", EPERM, SYS_unshare, CLONE_NEWNS),
	CALL("unshare pid", EPERM, SYS_unshare, CLONE_NEWPID),
	CALL("unshare net", EPERM, SYS_unshare, CLONE_NEWNET),
	CALL("unshare uts", EPERM, SYS_unshare, CLONE_NEWUTS),
	CALL("unshare ipc", EPERM, SYS_unshare, CLONE_NEWIPC),
	CALL("unshare cgroup", EPERM, SYS_unshare, CLONE_NEWCGROUP),
	CALL("unshare time", EPERM, SYS_unshare, 0x80),
	CALL("clone user", EPERM, SYS_clone, CLONE_NEWUSER | SIGCHLD),
	CALL("clone user, high bits", EPERM, SYS_clone, HIGH | CLONE_NEWUSER | SIGCHLD),
	CALL("clone mount", EPERM, SYS_clone, CLONE_NEWNS | SIGCHLD),
	CALL("clone pid", EPERM, SYS_clone, CLONE_NEWPID | SIGCHLD),
	CALL("clone net", EPERM, SYS_clone, CLONE_NEWNET | SIGCHLD),
	CALL("clone uts", EPERM, SYS_clone, CLONE_NEWUTS | SIGCHLD),
	CALL("clone ipc", EPERM, SYS_clone, CLONE_NEWIPC | SIGCHLD),
	CALL("clone cgroup", EPERM, SYS_clone, CLONE_NEWCGROUP | SIGCHLD),
	CALL("clone3", ENOSYS, SYS_clone3, (long)clone3_args, sizeof(clone3_args)),

	STEP("sockets of other families", EAFNOSUPPORT, other_families),
	STEP("sockets of other families, high bits", EAFNOSUPPORT, other_families_high),
	CALL("socketpair TIPC", EAFNOSUPPORT, SYS_socketpair, AF_TIPC, BAD_TYPE, 0, BAD),
	CALL("socketpair TIPC, high bits", EAFNOSUPPORT, SYS_socketpair, HIGH | AF_TIPC, BAD_TYPE, 0, BAD),
	STEP("other protocols of AF_INET", EPROTONOSUPPORT, other_protocols),
	STEP("other protocols of AF_INET, high bits", EPROTONOSUPPORT, other_protocols_high),
	STEP("other protocols of AF_INET6", EPROTONOSUPPORT, other_protocols_6),

	ATTACH("filter of a socket", SO_ATTACH_FILTER),
	ATTACH("BPF of a socket", SO_ATTACH_BPF),
	ATTACH("filter of a group of sockets", SO_ATTACH_REUSEPORT_CBPF),
	ATTACH("BPF of a group of sockets", SO_ATTACH_REUSEPORT_EBPF),
	CALL("filter of a socket, high bits", ENOPROTOOPT, SYS_setsockopt, -1, HIGH | SOL_SOCKET,
	     HIGH | SO_ATTACH_FILTER, BAD, 16),
	CALL("seccomp filter", EINVAL, SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD),
	CALL("seccomp filter, high bits", EINVAL, SYS_seccomp, HIGH | SECCOMP_SET_MODE_FILTER, HIGH, BAD),
	CALL("seccomp filter by prctl", EINVAL, SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, BAD),
	CALL("seccomp filter by prctl, high bits", EINVAL, SYS_prctl, HIGH | PR_SET_SECCOMP,
	     SECCOMP_MODE_FILTER, BAD),

	CALL("huge pages by mmap", ENOMEM, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_HUGETLB, -1, 0),
	CALL("huge pages by mmap, high bits", ENOMEM, SYS_mmap, 0, 4096, PROT_READ,
	     HIGH | MAP_PRIVATE | MAP_HUGETLB, -1, 0),
	CALL("huge pages by memfd", EINVAL, SYS_memfd_create, BAD, MFD_HUGETLB),
	CALL("huge pages by memfd, high bits", EINVAL, SYS_memfd_create, BAD, HIGH | MFD_HUGETLB),
	CALL("huge pages by shmget", EPERM, SYS_shmget, IPC_PRIVATE, 0, IPC_CREAT | SHM_HUGETLB | 0600),

	CALL("ioctl TIOCSTI", EPERM, SYS_ioctl, -1, TIOCSTI, BAD),
	CALL("ioctl TIOCSTI, high bits", EPERM, SYS_ioctl, -1, HIGH | TIOCSTI, BAD),
	CALL("ioctl TIOCSTI, sign bits", EPERM, SYS_ioctl, -1, ~ALL | TIOCSTI, BAD),
	CALL("ioctl TIOCLINUX", EPERM, SYS_ioctl, -1, TIOCLINUX, BAD),
	CALL("ioctl TIOCLINUX, high bits", EPERM, SYS_ioctl, -1, HIGH | TIOCLINUX, BAD),
	CALL("ioctl TIOCSETD", EPERM, SYS_ioctl, -1, TIOCSETD, BAD),
	CALL("ioctl TIOCSETD, high bits", EPERM, SYS_ioctl, -1, HIGH | TIOCSETD, BAD),
	CALL("ioctl BTRFS_IOC_SUBVOL_CREATE", EPERM, SYS_ioctl, -1, BTRFS_IOC_SUBVOL_CREATE, BAD),
	CALL("ioctl BTRFS_IOC_SUBVOL_CREATE, high bits", EPERM, SYS_ioctl, -1, HIGH | BTRFS_IOC_SUBVOL_CREATE,
	     BAD),
	CALL("ioctl BTRFS_IOC_SUBVOL_SETFLAGS", EPERM, SYS_ioctl, -1, BTRFS_IOC_SUBVOL_SETFLAGS, BAD),
	CALL("personality READ_IMPLIES_EXEC", EPERM, SYS_personality, READ_IMPLIES_EXEC),
	CALL("personality MMAP_PAGE_ZERO, high bits", EPERM, SYS_personality, HIGH | MMAP_PAGE_ZERO),
	STEP("core limit by setrlimit", EPERM, core_setrlimit),
	STEP("core limit by setrlimit, high bits", EPERM, core_setrlimit_high),
	STEP("core limit by prlimit64", EPERM, core_prlimit),
	STEP("core limit by prlimit64, high bits and old value", EPERM, core_prlimit_swap),

#ifdef __x86_64__
	CALL("modify_ldt", EPERM, SYS_modify_ldt, -1),
	CALL("iopl", EPERM, SYS_iopl, 4),
	CALL("ioperm", EPERM, SYS_ioperm, -1, 1, 1),
	STEP("i386 call by int 0x80", KILLED, i386_getpid),
	CALL("x32 call", KILLED, 0x40000000L | SYS_getpid),
	CALL("x32 call of an x32 number", KILLED, 0x40000000L | 514, -1, TIOCSTI),
	STEP("call swapped by a tracer", EPERM, swap_by_ptrace),
#endif
};

#endif
