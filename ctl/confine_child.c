/*
 * confine_child.c - what all processes that carrelctl confines have in common: a program of the host's (confine.c) and the
 * one that unpacks archives (image_extract.c). See confine.h.
 */
#include "confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t confine_fork(bool network, int *pidfd, struct carrel_error *err)
{
	int fd = -EBADF;
	struct clone_args args = {
		.flags = CLONE_PIDFD | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			 (network ? 0 : CLONE_NEWNET),
		.pidfd = (uint64_t)(uintptr_t)&fd,
		.exit_signal = SIGCHLD,
	};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (pid < 0)
		return error_errno(err, "cannot start a process in namespaces of its own");
	*pidfd = fd;
	return pid;
}

int confine_die_with_parent(int pipe_fd)
{
	struct pollfd parent = { .fd = pipe_fd };

	/* A parent that died before the death signal was asked for has closed its end. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || poll(&parent, 1, 0) < 0)
		return -errno;
	return parent.revents & POLLERR ? -ESRCH : 0;
}

void confine_reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, number == SIGXFSZ || number == SIGPIPE ? SIG_IGN : SIG_DFL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

int confine_limit_resources(uint64_t memory_max, uint64_t file_max, struct carrel_error *err)
{
	const struct rlimit memory = { memory_max, memory_max }, core = { 0, 0 };
	const struct rlimit file = { file_max, file_max };

	if (setrlimit(RLIMIT_DATA, &memory) < 0 || setrlimit(RLIMIT_CORE, &core) < 0 ||
	    setrlimit(RLIMIT_FSIZE, &file) < 0)
		return error_errno(err, "cannot set limits");
	return 0;
}

int confine_drop_capabilities(const cap_value_t *kept, int count, struct carrel_error *err)
{
	const int noroot = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED;
	cap_t caps = cap_init();
	int r = 0;

	/* Neither can an exec by uid 0 bring them back. */
	if (!caps || (count && cap_set_flag(caps, CAP_PERMITTED, count, kept, CAP_SET) < 0) ||
	    (count && cap_set_flag(caps, CAP_EFFECTIVE, count, kept, CAP_SET) < 0) ||
	    prctl(PR_SET_SECUREBITS, noroot, 0, 0, 0) < 0 || cap_set_proc(caps) < 0 ||
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_errno(err, "cannot drop capabilities");
	cap_free(caps);
	if (r == 0 && chroot("/") == 0) /* the proof that they are gone */
		r = error_set(err, EPERM, "capabilities were dropped and are still there");
	return r;
}
