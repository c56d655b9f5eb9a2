/* sandbox.c - see sandbox.h. Run by the keeper, as root, on the host. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/pinned.h"
#include "core/wire.h"
#include "init.h"

/*
 * The other four init unshares itself: network, host name and IPC while the keeper goes on, and the cgroup namespace
 * when it is in its group, because that becomes the namespace's root.
 */
static const uint64_t namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID;

/*
 * The kernel counts what is limited per user (inotify instances and watches, message queues, pending signals, namespaces) for the
 * owner of a user namespace as well, all the way up. The owner is the effective uid that makes it: were that root, a sandbox that uses
 * up such a count would use up the host's. So the sandbox's is made as the block's first id, with all capabilities kept; in the
 * child the new namespace gives everything anew.
 */
static int become_owner(uid_t owner, struct carrel_error *err)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 || syscall(SYS_setresuid, -1, owner, -1) < 0)
		return error_errno(err, "cannot take the sandbox's identity");
	return 0;
}

/* Back to root, which must not fail: nothing that follows may run with less. */
static void become_keeper(void)
{
	if (syscall(SYS_setresuid, -1, 0, -1) < 0 || prctl(PR_SET_SECUREBITS, 0) < 0)
		abort();
	prctl(PR_SET_DUMPABLE, 0);
}

/*
 * Like fork: the child runs on a copy of this process' memory and never execs, so that its memory belongs to
 * the initial user namespace and nobody inside can trace it.
 */
static pid_t clone_init(struct keeper *k, struct carrel_error *err)
{
	int pidfd = -1;
	struct clone_args args = {
		.flags = namespaces | CLONE_PIDFD,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};

	/* Where init can be born in its group, the group is made by now. */
	if (k->cgroup_fds_count > 0) {
		args.flags |= CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)k->cgroup_fds[0];
	}
	int r = become_owner(k->ids.uid_base, err);
	if (r < 0)
		return r;
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		return 0;
	r = pid < 0 ? error_errno(err, "cannot clone into new namespaces") : 0;
	become_keeper();
	if (pid > 0)
		k->init_pidfd = pidfd;
	return r < 0 ? r : pid;
}

static void close_cgroup_fds(struct keeper *k)
{
	while (k->cgroup_fds_count > 0)
		close_fd(&k->cgroup_fds[--k->cgroup_fds_count]);
}

static int write_map(pid_t pid, const char *file, uint32_t base, struct carrel_error *err)
{
	char path[64], line[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	snprintf(line, sizeof(line), "0 %u %u\n", base, IDMAP_COUNT);
	int r = fs_write_at(AT_FDCWD, path, line);
	return r < 0 ? error_set(err, -r, "cannot write %s: %s", file, strerror(-r)) : 0;
}

int sandbox_clone(struct keeper *k, struct carrel_error *err)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "cannot make a socket pair");
	k->sync_fd = pair[0];
	_cleanup_close_ int theirs = pair[1];

	int host = pinned_enter(PINNED_TEMPLATE, err);
	if (host < 0)
		return host;
	pid_t pid = clone_init(k, err);
	if (pid == 0) {
		close(host);
		init_main(k, steal_fd(&theirs)); /* never returns */
	}
	int r = pid < 0 ? pid : 0;
	int back = pinned_leave(host, r < 0 ? NULL : err);
	if (r < 0 || back < 0)
		return r < 0 ? r : back;
	k->record.init = pid;
	close_fd(&k->listen_fd); /* init's now */
	close_fd(&k->ask_fds[1]);
	close_cgroup_fds(k);
	r = write_map(pid, "uid_map", k->ids.uid_base, err);
	if (r == 0)
		r = write_map(pid, "gid_map", k->ids.gid_base, err);
	return r < 0 ? r : sandbox_give(k, GIFT_GO, err);
}

int sandbox_userns(const struct keeper *k, struct carrel_error *err)
{
	char path[64];

	/* init is our unreaped child: its pid is still its own. */
	snprintf(path, sizeof(path), "/proc/%d/ns/user", k->record.init);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open the sandbox's user namespace") : fd;
}

/* The member of `k` that a mount is in; for MOUNT_ROOT up to but not MOUNT_ROLES. */
static int *mount_of(struct keeper *k, unsigned role)
{
	switch (role) {
	case MOUNT_ROOT:
		return &k->rootfs_fd;
	case MOUNT_HOME:
		return &k->home_fd;
	case MOUNT_LIMITS:
		return &k->limits_fd;
	case MOUNT_SSH:
		return &k->ssh_fd;
	default:
		return &k->bind_fds[role - MOUNT_BINDS];
	}
}

static int give_mounts(struct keeper *k)
{
	unsigned char message[2] = { GIFT_MOUNTS, MOUNT_END };
	int r = 0;

	for (unsigned role = MOUNT_ROOT; role < MOUNT_ROLES; role++) {
		int *fd = mount_of(k, role);
		message[1] = (unsigned char)role;
		if (*fd >= 0 && r == 0)
			r = wire_send(k->sync_fd, message, sizeof(message), fd, 1);
		close_fd(fd);
	}
	message[1] = MOUNT_END;
	return r == 0 ? wire_send(k->sync_fd, message, sizeof(message), NULL, 0) : r;
}

int sandbox_give(struct keeper *k, enum gift gift, struct carrel_error *err)
{
	char byte = (char)gift;
	int r;

	if (gift == GIFT_MOUNTS) {
		r = give_mounts(k);
	} else {
		size_t count = gift == GIFT_CGROUP ? (size_t)k->cgroup_fds_count : 0;
		r = wire_send(k->sync_fd, &byte, 1, k->cgroup_fds, count);
	}
	if (gift == GIFT_CGROUP)
		close_cgroup_fds(k);
	return r == 0 || r == -EPIPE ? 0 : error_set(err, -r, "cannot reach init: %s", strerror(-r));
}

int sandbox_take(int sync_fd, enum gift gift, int *fds, struct carrel_error *err)
{
	size_t count = CGROUP_FDS_MAX;
	char byte = 0;

	int r = wire_receive(sync_fd, &byte, 1, fds, &count);
	if (r == 0 && byte != (char)gift)
		r = -EPROTO;
	return r < 0 ? error_set(err, -r, "the keeper ended") : (int)count;
}

int sandbox_take_mounts(struct keeper *k, int sync_fd, struct carrel_error *err)
{
	unsigned char message[2];

	for (unsigned role = MOUNT_ROOT; role < MOUNT_ROLES; role++)
		*mount_of(k, role) = -EBADF;
	for (;;) {
		size_t count = 1;
		int fd = -EBADF;
		int r = wire_receive(sync_fd, message, sizeof(message), &fd, &count);
		if (r < 0 || message[0] != GIFT_MOUNTS)
			return error_set(err, r < 0 ? -r : EPROTO, "the keeper ended");
		if (message[1] == MOUNT_END)
			break;
		if (message[1] < MOUNT_ROLES && count == 1)
			*mount_of(k, message[1]) = fd;
	}
	return k->rootfs_fd >= 0 && k->home_fd >= 0 && k->limits_fd >= 0
		       ? 0
		       : error_set(err, EPROTO, "the keeper sent no root filesystem");
}

int sandbox_wait(struct keeper *k, struct carrel_error *err)
{
	struct init_report report;
	size_t none = 0;

	int r = wire_receive(k->sync_fd, &report, sizeof(report), NULL, &none);
	/* An init that fails before it has taken all it was given resets the connection; its report is behind that. */
	if (r == -ECONNRESET)
		r = wire_receive(k->sync_fd, &report, sizeof(report), NULL, &none);
	if (r < 0)
		return error_set(err, ECHILD, "init ended before the sandbox was ready");
	report.error.msg[sizeof(report.error.msg) - 1] = '\0';
	return report.error.code ? error_set(err, report.error.code, "%s", report.error.msg) : 0;
}

int sandbox_stop(struct keeper *k, int timeout_ms)
{
	int64_t deadline = fs_now_ms() + timeout_ms;
	siginfo_t info;

	if (k->init_pidfd < 0)
		return 0;
	syscall(SYS_pidfd_send_signal, k->init_pidfd, SIGKILL, NULL, 0);
	for (;;) {
		struct pollfd p = { .fd = k->init_pidfd, .events = POLLIN };
		int64_t left = deadline - fs_now_ms();
		int n = poll(&p, 1, left > 0 ? (int)left : 0);
		if (n > 0)
			break;
		if (n == 0)
			return -ETIMEDOUT;
	}
	while (waitid(P_PIDFD, (id_t)k->init_pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	close_fd(&k->init_pidfd);
	return 0;
}
