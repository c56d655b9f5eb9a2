/*
 * init.c - see init.h. Starts with every capability over its own namespaces and none over the host's.
 */
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "init_serve.h"
#include "sandbox.h"
#include "seccomp.h"
#include "self_service.h"

/* Signals that the sandbox sends to PID 1 have no effect: all are blocked, SIGCHLD is read from a signalfd. */
static int block_signals(struct carrel_error *err)
{
	sigset_t all;

	sigfillset(&all);
	return sigprocmask(SIG_SETMASK, &all, NULL) < 0 ? error_errno(err, "cannot block signals") : 0;
}

/* Needs the capabilities that the clone gave, and no identity; made here while the keeper goes on. */
static int unshare_rest(struct carrel_error *err)
{
	return unshare(CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) < 0
		       ? error_errno(err, "cannot unshare the network, host name and IPC namespaces")
		       : 0;
}

/*
 * To die with the keeper, and to be closed to whoever would trace or read init. The kernel takes both back at each change of
 * a user or group id, those for files included: to be called after every step that has one. A keeper that died before
 * is noticed as an end of file on sync_fd: by enter_cgroup, at the latest when init reports.
 */
static int guard(struct carrel_error *err)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0
		       ? error_errno(err, "cannot set the parent-death signal")
		       : 0;
}

/* Needs the maps. */
static int become_root(struct carrel_error *err)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return error_errno(err, "cannot become root of the sandbox");
	if (guard(err) < 0)
		return -err->code;
	/* Not sshd's session keyring. A kernel without keyrings has nothing to leave behind. */
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_errno(err, "cannot make a session keyring");
	return 0;
}

/* The group first: the root of the cgroup namespace is the group of the process that unshares it. */
static int enter_cgroup(int sync_fd, struct carrel_error *err)
{
	int fds[CGROUP_FDS_MAX];

	int n = sandbox_take(sync_fd, GIFT_CGROUP, fds, err);
	if (n < 0)
		return n;
	int r = cgroup_enter(fds, (size_t)n);
	for (int i = 0; i < n; i++)
		close(fds[i]);
	if (r < 0)
		return error_set(err, -r, "cannot enter the cgroup: %s", strerror(-r));
	return unshare(CLONE_NEWCGROUP) < 0 ? error_errno(err, "cannot unshare the cgroup namespace") : 0;
}

/* Everything but the three sockets that init works with was the keeper's. */
static int close_others(struct keeper *k, int *sync_fd, struct carrel_error *err)
{
	int *keep[] = { sync_fd, &k->listen_fd, &k->ask_fds[1] };
	const int first = STDERR_FILENO + 1, end = first + (int)ARRAY_SIZE(keep);
	int aside[ARRAY_SIZE(keep)];

	/* First out of the way, then into place. */
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		aside[i] = fcntl(*keep[i], F_DUPFD_CLOEXEC, 10);
		if (aside[i] < 0)
			return error_errno(err, "cannot duplicate descriptors");
	}
	for (size_t i = 0; i < ARRAY_SIZE(keep); i++) {
		*keep[i] = dup3(aside[i], first + (int)i, O_CLOEXEC);
		if (*keep[i] < 0)
			return error_errno(err, "cannot duplicate descriptors");
	}
	return close_range((unsigned)end, ~0u, 0) < 0 ? error_errno(err, "cannot close descriptors") : 0;
}

static int raise_loopback(struct carrel_error *err)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? error_errno(err, "cannot bring up loopback")
							       : 0;
}

/* What ps shows inside; the keeper's arguments name the client's address. */
static void set_title(const struct keeper *k)
{
	static const char name[] = "carrel-init";

	memset(k->title, 0, k->title_size);
	memcpy(k->title, name, k->title_size > sizeof(name) ? sizeof(name) : k->title_size - 1);
	prctl(PR_SET_NAME, name);
}

/*
 * In this order: namespaces and identity; the descriptors of the keeper, of which nothing is needed from here on;
 * mounts, which need SYS_ADMIN; the cgroup; and last the filter (needs SYS_ADMIN without no_new_privs) and the
 * capabilities.
 */
static int furnish(struct keeper *k, int *sync_fd, struct carrel_error *err)
{
	int go[CGROUP_FDS_MAX];
	int r = block_signals(err);

	if (r == 0)
		r = close_others(k, sync_fd, err);
	if (r == 0)
		r = init_raise_files(k, err);
	if (r == 0)
		r = unshare_rest(err);
	if (r == 0)
		r = sandbox_take(*sync_fd, GIFT_GO, go, err);
	if (r == 0)
		r = become_root(err);
	if (r == 0 && sethostname(k->policy.hostname, strlen(k->policy.hostname)) < 0)
		r = error_errno(err, "cannot set the host name");
	if (r == 0)
		r = raise_loopback(err);
	if (r == 0)
		r = sandbox_take_mounts(k, *sync_fd, err);
	if (r == 0)
		r = init_mount_all(k, err);
	if (r == 0)
		r = guard(err); /* in a home things are made with the user's ids */
	if (r == 0)
		r = init_add_account(k, err);
	if (r == 0)
		r = self_service_offer(k, err);
	if (r == 0)
		r = enter_cgroup(*sync_fd, err);
	if (r < 0)
		return r;
	set_title(k);
	if (k->policy.seccomp == SECCOMP_DEFAULT)
		r = seccomp_load(err);
	return r < 0 ? r : init_drop_capabilities(k->policy.capabilities, err);
}

void init_main(struct keeper *k, int sync_fd)
{
	struct init_report report = { .error = { 0 } };

	int r = furnish(k, &sync_fd, &report.error);
	if (send(sync_fd, &report, sizeof(report), MSG_NOSIGNAL) == (ssize_t)sizeof(report) && r == 0)
		init_serve(k, sync_fd);
	_exit(r < 0);
}
