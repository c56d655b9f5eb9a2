/*
 * seccomp_gen.c - build-time: compile the sandbox's system-call policy to BPF and print it as a C header.
 *
 *	seccomp_gen > build/seccomp_filter.h
 *
 * Run once by the Makefile, as whoever builds, so that no login pays for libseccomp. keeper/seccomp.c loads the
 * result. The policy is in the tables below and applies to every process of a sandbox, PID 1 included:
 *
 *	allowed          what programs need, whatever its arguments
 *	refused          what the kernel has and a sandbox does not get: an errno that programs expect
 *	by_argument      where the arguments decide, asked before the two tables above
 *	exempt           what by_argument would refuse as one of many, asked before it
 *	anything else    ENOSYS, as from an older kernel: a call newer than these tables is never let through
 *	                 unseen, and programs that probe for it fall back
 *	foreign ABIs     (i386 and x32 on x86_64, 32-bit ARM on aarch64) the process is killed: their numbers mean
 *	                 other calls, and nothing here would hold
 *
 * ptrace and process_vm_* are allowed: the kernel asks for rights over the other process, which end at the
 * sandbox's edge, and since Linux 4.8 a tracer cannot change a call behind the filter's back. mknod is: it makes
 * FIFOs; device nodes fail for want of a right. name_to_handle_at is: only open_by_handle_at makes use of a handle.
 * adjtimex and clock_adjtime are, to read the clock's state: setting it needs a right over the host.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/fs.h>
#include <linux/memfd.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>

#include "seccomp_program.h"

/* Words of names, by what they are for. A name that this architecture does not have is passed over. */
static const char *const allowed[] = {
	/* open descriptors and what is read and written through them */
	"read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek sendfile "
	"copy_file_range",
	"splice tee vmsplice readahead fadvise64 sync_file_range fsync fdatasync sync syncfs fallocate "
	"ftruncate",
	"open openat openat2 creat close close_range dup dup2 dup3 fcntl ioctl flock cachestat",
	/* the file tree */
	"access faccessat faccessat2 stat lstat fstat newfstatat statx statfs fstatfs statmount listmount",
	"getdents getdents64 getcwd chdir fchdir chroot umask truncate readlink readlinkat",
	"mkdir mkdirat rmdir unlink unlinkat rename renameat renameat2 link linkat symlink symlinkat mknod "
	"mknodat",
	"chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes futimesat utimensat",
	"setxattr lsetxattr fsetxattr setxattrat getxattr lgetxattr fgetxattr getxattrat",
	"listxattr llistxattr flistxattr listxattrat removexattr lremovexattr fremovexattr removexattrat",
	"file_getattr file_setattr name_to_handle_at inotify_init inotify_init1 inotify_add_watch "
	"inotify_rm_watch",
	/* waiting */
	"poll ppoll select pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2",
	"eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime",
	"futex futex_wait futex_wake futex_requeue futex_waitv set_robust_list get_robust_list rseq "
	"membarrier",
	/* processes and threads */
	"fork vfork execve execveat exit exit_group wait4 waitid set_tid_address restart_syscall",
	"getpid getppid gettid getpgid getpgrp setpgid getsid setsid prctl arch_prctl ptrace",
	"process_vm_readv process_vm_writev process_madvise process_mrelease pidfd_open pidfd_send_signal",
	"seccomp landlock_create_ruleset landlock_add_rule landlock_restrict_self",
	"kill tkill tgkill rt_sigaction rt_sigprocmask rt_sigpending rt_sigreturn rt_sigsuspend "
	"rt_sigtimedwait",
	"rt_sigqueueinfo rt_tgsigqueueinfo sigaltstack pause alarm getitimer setitimer",
	/* identities and rights */
	"getuid geteuid getresuid setuid setreuid setresuid setfsuid getgid getegid getresgid setgid "
	"setregid",
	"setresgid setfsgid getgroups setgroups capget capset",
	/* memory */
	"mmap munmap mremap mprotect brk madvise mincore msync mlock mlock2 mlockall munlock munlockall "
	"mseal",
	"memfd_create memfd_secret remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack",
	/* limits and scheduling */
	"getrlimit setrlimit prlimit64 getrusage getpriority setpriority ioprio_get ioprio_set getcpu",
	"sched_yield sched_getaffinity sched_setaffinity sched_getattr sched_setattr sched_getparam "
	"sched_setparam",
	"sched_getscheduler sched_setscheduler sched_get_priority_max sched_get_priority_min "
	"sched_rr_get_interval",
	/* time */
	"time gettimeofday clock_gettime clock_getres clock_nanosleep nanosleep times adjtimex clock_adjtime",
	"timer_create timer_settime timer_gettime timer_getoverrun timer_delete",
	/* sockets; which, by_argument says */
	"bind connect listen accept accept4 getsockname getpeername getsockopt setsockopt shutdown",
	"sendto sendmsg sendmmsg recvfrom recvmsg recvmmsg pipe pipe2",
	/* System V and POSIX message queues, semaphores, shared memory: of the sandbox's own IPC namespace */
	"msgget msgsnd msgrcv msgctl semget semop semtimedop semctl shmget shmat shmdt shmctl",
	"mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr",
	/* the system; the host name is of the sandbox's own UTS namespace */
	"uname sysinfo getrandom sethostname setdomainname",
	/* not for programs: the kernel makes traced ones call them, and failing would crash them */
	"uretprobe uprobe",
};

struct refusal {
	int code;
	const char *names;
};

static const struct refusal refused[] = {
	/* large, often broken interfaces that ordinary programs live without */
	{ EPERM,
	  "io_uring_setup io_uring_enter io_uring_register bpf perf_event_open userfaultfd fanotify_init" },
	{ EPERM, "fanotify_mark modify_ldt kcmp lookup_dcookie" },
	/* keyrings and NUMA placement know no namespaces */
	{ EPERM, "add_key request_key keyctl" },
	{ EPERM, "get_mempolicy set_mempolicy set_mempolicy_home_node mbind migrate_pages move_pages" },
	/* descriptors and files by other ways than a path */
	{ EPERM, "pidfd_getfd open_by_handle_at" },
	/* another view of the system */
	{ EPERM, "mount umount2 pivot_root open_tree open_tree_attr move_mount mount_setattr" },
	{ EPERM, "fsopen fsconfig fsmount fspick setns" },
	/* the host's own affairs */
	{ EPERM,
	  "reboot kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff acct" },
	{ EPERM, "settimeofday clock_settime quotactl quotactl_fd syslog vhangup iopl ioperm" },
	/* where by_argument has allowed nothing; libaudit and others take this for a kernel without it */
	{ EAFNOSUPPORT, "socket socketpair" },
	{ EPERM, "clone unshare personality" },
	/*
	 * clone3 has its flags behind a pointer, where a filter cannot look. It falls under ENOSYS, like all that is
	 * not named here, and not EPERM: C libraries and language runtimes then use clone.
	 *
	 * io_setup and its kin fall under it, too, as with a kernel that is built without them: the whole host shares one number of
	 * events (fs.aio-max-nr), and one process could have them all.
	 */
};

/* Namespaces of clone. Its lowest byte is a signal number: CLONE_NEWTIME is out of its reach. */
#define NEW_NAMESPACES                                                                             \
	(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | \
	 CLONE_NEWCGROUP)

/* All that unshare may be asked for; also flags still to be invented are outside, in all 64 bits. */
#define UNSHARE_HARMLESS (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_VM | CLONE_SIGHAND | CLONE_THREAD)

/* Changes nothing but the caller's uname, or the layout of its own memory (gdb, sanitizers). Not
 * READ_IMPLIES_EXEC, MMAP_PAGE_ZERO, or the personalities of other systems. */
#define PERSONALITY_HARMLESS (PER_LINUX32 | UNAME26 | ADDR_NO_RANDOMIZE)

/*
 * The kernel takes these arguments as 32-bit and drops what is above, so that is what is compared. With 64 bits,
 * TIOCSTI + (1 << 32) would pass for another request; and musl, whose ioctl takes an int, sets all the upper
 * bits for a request like TIOCGPTN.
 */
#define INT_IS(argument, value)	   SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, 0xffffffffu, (uint32_t)(value))
#define INT_WITHIN(argument, bits) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, 0xffffffffu & ~(uint32_t)(bits), 0)
#define IS_NULL(argument)	   SCMP_CMP(argument, SCMP_CMP_EQ, 0, 0)
#define NOT_NULL(argument)	   SCMP_CMP(argument, SCMP_CMP_NE, 0, 0)

#define HAS_BIT(argument, bit) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, bit, bit)

/* In a socket's type flags are above the lowest four bits. */
#define TYPE_IS(type) SCMP_CMP(1, SCMP_CMP_MASKED_EQ, 0xf, type)
#define INTERNET(family, type, protocol)                                      \
	{                                                                     \
		"socket", SCMP_ACT_ALLOW, 3,                                  \
		{                                                             \
			INT_IS(0, family), TYPE_IS(type), INT_IS(2, protocol) \
		}                                                             \
	}
#define ATTACH(option)                                           \
	{                                                        \
		"setsockopt", SCMP_ACT_ERRNO(ENOPROTOOPT), 2,    \
		{                                                \
			INT_IS(1, SOL_SOCKET), INT_IS(2, option) \
		}                                                \
	}

struct condition {
	const char *name;
	uint32_t action;
	unsigned count;
	struct scmp_arg_cmp arg[3];
};

/* All requests of a driver or filesystem have its letter in this byte. */
#define INT_OF_TYPE(argument, type) SCMP_CMP(argument, SCMP_CMP_MASKED_EQ, 0xff00u, (uint32_t)(type) << 8)

#define BTRFS_TYPE 0x94

static const struct condition exempt[] = {
	/* These were btrfs's once, and are every filesystem's: to share blocks. */
	{ "ioctl", SCMP_ACT_ALLOW, 1, { INT_IS(1, FICLONE) } },
	{ "ioctl", SCMP_ACT_ALLOW, 1, { INT_IS(1, FICLONERANGE) } },
	{ "ioctl", SCMP_ACT_ALLOW, 1, { INT_IS(1, FIDEDUPERANGE) } },

	/*
	 * Other protocols (SCTP, L2TP, SMC, MPTCP …) are large, seldom used code, in modules that the kernel loads for whoever
	 * asks. Raw sockets are the policy's to allow (net_raw), and load none.
	 */
	INTERNET(AF_INET, SOCK_STREAM, 0),
	INTERNET(AF_INET, SOCK_STREAM, IPPROTO_TCP),
	INTERNET(AF_INET, SOCK_DGRAM, 0),
	INTERNET(AF_INET, SOCK_DGRAM, IPPROTO_UDP),
	INTERNET(AF_INET, SOCK_DGRAM, IPPROTO_ICMP),
	INTERNET(AF_INET6, SOCK_STREAM, 0),
	INTERNET(AF_INET6, SOCK_STREAM, IPPROTO_TCP),
	INTERNET(AF_INET6, SOCK_DGRAM, 0),
	INTERNET(AF_INET6, SOCK_DGRAM, IPPROTO_UDP),
	INTERNET(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6),
	{ "socket", SCMP_ACT_ALLOW, 2, { INT_IS(0, AF_INET), TYPE_IS(SOCK_RAW) } },
	{ "socket", SCMP_ACT_ALLOW, 2, { INT_IS(0, AF_INET6), TYPE_IS(SOCK_RAW) } },
};

/* No two conditions of one call may be true at once: libseccomp promises no order among them. */
static const struct condition by_argument[] = {
	{ "clone", SCMP_ACT_ALLOW, 1, { SCMP_A0(SCMP_CMP_MASKED_EQ, NEW_NAMESPACES, 0) } },
	{ "unshare", SCMP_ACT_ALLOW, 1, { SCMP_A0(SCMP_CMP_MASKED_EQ, ~(uint64_t)UNSHARE_HARMLESS, 0) } },

	{ "personality", SCMP_ACT_ALLOW, 1, { INT_WITHIN(0, PERSONALITY_HARMLESS) } },
	{ "personality", SCMP_ACT_ALLOW, 1, { INT_IS(0, 0xffffffffu) } }, /* only asks */

	{ "socket", SCMP_ACT_ALLOW, 1, { INT_IS(0, AF_UNIX) } },
	{ "socket", SCMP_ACT_ALLOW, 2, { INT_IS(0, AF_NETLINK), INT_IS(2, NETLINK_ROUTE) } },
	{ "socket", SCMP_ACT_ERRNO(EPROTONOSUPPORT), 1, { INT_IS(0, AF_INET) } },
	{ "socket", SCMP_ACT_ERRNO(EPROTONOSUPPORT), 1, { INT_IS(0, AF_INET6) } },
	{ "socketpair", SCMP_ACT_ALLOW, 1, { INT_IS(0, AF_UNIX) } },

	/*
	 * Programs of classic BPF. The kernel compiles them into memory that it does not charge to the session, and of
	 * which the whole host has one amount (net.core.bpf_jit_limit): kernels that always compile would then load no
	 * filter for any other sandbox. A kernel without them gives the same errors, and programs do without.
	 */
	ATTACH(SO_ATTACH_FILTER),
	ATTACH(SO_ATTACH_BPF),
	ATTACH(SO_ATTACH_REUSEPORT_CBPF),
	ATTACH(SO_ATTACH_REUSEPORT_EBPF),
	{ "seccomp", SCMP_ACT_ERRNO(EINVAL), 1, { INT_IS(0, SECCOMP_SET_MODE_FILTER) } },
	{ "prctl", SCMP_ACT_ERRNO(EINVAL), 2, { INT_IS(0, PR_SET_SECCOMP), INT_IS(1, SECCOMP_MODE_FILTER) } },

	/* Huge pages are of one pool of the host. Not to be had is what programs expect, and they take small ones. */
	{ "mmap", SCMP_ACT_ERRNO(ENOMEM), 1, { HAS_BIT(3, MAP_HUGETLB) } },
	{ "memfd_create", SCMP_ACT_ERRNO(EINVAL), 1, { HAS_BIT(1, MFD_HUGETLB) } },
	{ "shmget", SCMP_ACT_ERRNO(EPERM), 1, { HAS_BIT(2, SHM_HUGETLB) } },

	/* Input for a terminal, as if typed; and line disciplines, modules that load on demand. */
	{ "ioctl", SCMP_ACT_ERRNO(EPERM), 1, { INT_IS(1, TIOCSTI) } },
	{ "ioctl", SCMP_ACT_ERRNO(EPERM), 1, { INT_IS(1, TIOCLINUX) } },
	{ "ioctl", SCMP_ACT_ERRNO(EPERM), 1, { INT_IS(1, TIOCSETD) } },

	/*
	 * btrfs lets any user make subvolumes and set them to read-only: then nobody can remove what is in them, root neither, who
	 * has to know of them. And whatever else it may be asked for.
	 */
	{ "ioctl", SCMP_ACT_ERRNO(EPERM), 1, { INT_OF_TYPE(1, BTRFS_TYPE) } },

	/*
	 * The core limit is 1 and stays: it is the one value at which the kernel does not start a core handler on the
	 * host, which 0 would. Setting it *reports success*: gpg and ssh-agent set 0 and refuse to run when that fails,
	 * and no core file is what they get. Who wants more than 1 could not have it either, the hard limit being 1.
	 * With the old value asked for in the same call a success would leave it unset: that one fails.
	 */
	{ "setrlimit", SCMP_ACT_ERRNO(0), 1, { INT_IS(0, RLIMIT_CORE) } },
	{ "prlimit64", SCMP_ACT_ERRNO(0), 3, { INT_IS(1, RLIMIT_CORE), NOT_NULL(2), IS_NULL(3) } },
	{ "prlimit64", SCMP_ACT_ERRNO(EPERM), 3, { INT_IS(1, RLIMIT_CORE), NOT_NULL(2), NOT_NULL(3) } },
};

/* Newer than the oldest libseccomp this is built with (2.5.4), by number; the same on both architectures. */
static const struct {
	const char *name;
	int number;
} recent[] = {
	{ "cachestat", 451 },	  { "fchmodat2", 452 },	     { "map_shadow_stack", 453 },
	{ "futex_wake", 454 },	  { "futex_wait", 455 },     { "futex_requeue", 456 },
	{ "statmount", 457 },	  { "listmount", 458 },	     { "mseal", 462 },
	{ "setxattrat", 463 },	  { "getxattrat", 464 },     { "listxattrat", 465 },
	{ "removexattrat", 466 }, { "open_tree_attr", 467 }, { "file_getattr", 468 },
	{ "file_setattr", 469 },
#ifdef __x86_64__
	{ "uretprobe", 335 },	  { "uprobe", 336 },
#else
	{ "uretprobe", -2 },	  { "uprobe", -2 },
#endif
};

/* The number of a system call; less than -1 when this architecture has no such call. */
static int resolve(const char *name)
{
	int number = seccomp_syscall_resolve_name(name);

	for (size_t i = 0; number == __NR_SCMP_ERROR && i < sizeof(recent) / sizeof(recent[0]); i++) {
		if (strcmp(recent[i].name, name) == 0)
			number = recent[i].number;
	}
	if (number == __NR_SCMP_ERROR)
		require(-ENOSYS, name);
	return number;
}

static void add(scmp_filter_ctx filter, uint32_t action, const char *name, unsigned count,
		const struct scmp_arg_cmp *arg)
{
	int number = resolve(name);

	if (number >= 0)
		require(seccomp_rule_add_exact_array(filter, action, number, count, arg), name);
}

static void add_words(scmp_filter_ctx filter, uint32_t action, const char *words)
{
	char copy[512];

	if ((size_t)snprintf(copy, sizeof(copy), "%s", words) >= sizeof(copy))
		require(-E2BIG, words);
	for (char *rest = copy, *name = strsep(&rest, " "); name; name = strsep(&rest, " "))
		add(filter, action, name, 0, NULL);
}

static void compile_conditions(struct program *program, const struct condition *c, size_t count)
{
	scmp_filter_ctx filter = program_start(GO_ON);

	for (size_t i = 0; i < count; i++)
		add(filter, c[i].action, c[i].name, c[i].count, c[i].arg);
	program_compile(filter, program);
}

static void compile_tables(struct program *program)
{
	scmp_filter_ctx filter = program_start(SCMP_ACT_ERRNO(ENOSYS));

	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++)
		add_words(filter, SCMP_ACT_ALLOW, allowed[i]);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		add_words(filter, SCMP_ACT_ERRNO(refused[i].code), refused[i].names);
	program_compile(filter, program);
}

int main(void)
{
	static struct program first;
	static struct program second;
	static struct program third;

	/* What the sandbox's kernel is asked for, and not what the one of the building machine happens to do. */
	require(seccomp_api_set(3), "seccomp_api_set");
	compile_conditions(&first, exempt, sizeof(exempt) / sizeof(exempt[0]));
	compile_conditions(&second, by_argument, sizeof(by_argument) / sizeof(by_argument[0]));
	compile_tables(&third);
	program_join(&second, &third);
	program_join(&first, &second);
	return program_print(&first);
}
