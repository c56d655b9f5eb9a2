/*
 * scope.c - see scope.h. Run by the keeper, as root, on the host, before it has made anything.
 *
 * The scope ends when it is empty, a moment after the last keeper: systemd is told by the kernel and acts on it
 * later, so a keeper that finds the leaf and enters it may find itself in a group that nobody manages. Therefore each
 * keeper that is surely in the scope holds a shared lock on LIVE_FILE, which the kernel takes from it before its group
 * when it exits. Whoever is in the leaf, and then sees another hold that lock, is in a scope that has not been empty
 * since the other got there, and sure itself. Whoever sees nobody asks systemd.
 */
#include "scope.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/text.h"

#define LIVE_FILE CARREL_RUN_DIR "/scope"

static bool is_held(int live_fd)
{
	if (flock(live_fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK;
	(void)flock(live_fd, LOCK_UN);
	return false;
}

/*
 * In the child: enter the leaf, where we were not born in it, and go on only if another keeper holds the lock, which makes it sure that
 * this is a living scope. The caller is told by one byte, and leaves the login to us. In every other case this ends, and so it does when the
 * caller was killed and nobody reads the byte: then there is no login any more to go on with.
 */
static void take_over(struct keeper *k, int enter_fd, int tell)
{
	if (enter_fd >= 0 && fs_write_at(enter_fd, "tasks", "0") < 0)
		_exit(1);
	if (!is_held(k->scope_fd) || write(tell, "y", 1) != 1)
		_exit(1);
	(void)setsid();
}

/*
 * Become a child that is in the leaf. On version 2 it is born there: moving would wait for all that fork on the machine, and an
 * idle machine keeps it waiting for milliseconds. On version 1 moving one's own only thread need not wait.
 *
 * 0 in the child, with the caller gone. -EAGAIN in the caller: the leaf is gone, or was not surely in the scope.
 */
static int continue_in_leaf(struct keeper *k, const struct cgroup_manager *manager)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	char path[128], byte = 0;
	int pair[2];

	if (text_format(path, sizeof(path), "%s/" CGROUP_SCOPE "/" SCOPE_KEEPERS, manager->mount) < 0)
		return -EAGAIN;
	_cleanup_close_ int leaf = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (leaf < 0 || pipe2(pair, O_CLOEXEC) < 0)
		return -EAGAIN;
	_cleanup_close_ int verdict = pair[0], tell = pair[1];
	if (manager->v2) {
		args.flags = CLONE_INTO_CGROUP;
		args.cgroup = (uint64_t)leaf;
	}
	unsigned seconds = alarm(0);
	alarm(seconds);
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0)
		return -EAGAIN;
	if (pid == 0) {
		close_fd(&verdict);
		take_over(k, manager->v2 ? -EBADF : leaf, tell);
		alarm(seconds);
		return 0;
	}
	close_fd(&tell);
	while (read(verdict, &byte, 1) < 0 && errno == EINTR)
		;
	if (byte)
		_exit(0);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return -EAGAIN;
}

/* What systemd was asked for is done by a job: wait until it has moved us into the scope or its leaf. */
static int await_scope(const struct cgroup_manager *manager, int64_t deadline, struct carrel_error *err)
{
	static const char scope[] = "/" CGROUP_SCOPE;
	char path[512];

	for (;;) {
		int r = cgroup_of_process("self", manager->v2, path, sizeof(path));
		if (r < 0)
			return error_set(err, -r, "cannot read the own cgroup: %s", strerror(-r));
		if (strncmp(path, scope, strlen(scope)) == 0)
			return 0;
		if (fs_now_ms() >= deadline)
			return error_set(err, ETIMEDOUT, "systemd has not started '" SCOPE_UNIT "'");
		poll(NULL, 0, 1);
	}
}

static int move_to_leaf(const struct cgroup_manager *manager, struct carrel_error *err)
{
	char path[128];

	int r = text_format(path, sizeof(path), "%s/" CGROUP_SCOPE "/" SCOPE_KEEPERS, manager->mount);
	if (r == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
		r = -errno;
	if (r == 0)
		r = text_format(path, sizeof(path), "%s/" CGROUP_SCOPE "/" SCOPE_KEEPERS "/cgroup.procs",
				manager->mount);
	if (r == 0)
		r = fs_write_at(AT_FDCWD, path, "0");
	return r < 0 ? error_set(err, -r, "cannot move to '" CGROUP_SCOPE "/" SCOPE_KEEPERS "': %s",
				 strerror(-r))
		     : 0;
}

static int join(struct keeper *k, const struct cgroup_manager *manager, int64_t deadline,
		struct carrel_error *err)
{
	if (is_held(k->scope_fd) && continue_in_leaf(k, manager) == 0)
		return 0;
	int r = scope_bus_join(getpid(), (int)(deadline - fs_now_ms()), err);
	if (r == 0)
		r = await_scope(manager, deadline, err);
	return r < 0 ? r : move_to_leaf(manager, err);
}

int scope_enter(struct keeper *k, struct carrel_error *err)
{
	const struct cgroup_manager *manager = cgroup_manager();
	int timeout_ms = k->request.timeout * 750;
	int64_t deadline = fs_now_ms() + timeout_ms;

	if (!manager)
		return 0;
	/* One at a time: of two first keepers the second finds what the first has made. */
	_cleanup_close_ int one = open(CARREL_RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = one < 0 ? -errno : fs_lock(one, timeout_ms);
	if (r < 0)
		return error_set(err, -r, "cannot lock '" CARREL_RUN_DIR "': %s", strerror(-r));
	k->scope_fd = open(LIVE_FILE, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (k->scope_fd < 0)
		return error_errno(err, "cannot open '" LIVE_FILE "'");
	r = join(k, manager, deadline, err);
	if (r == 0 && flock(k->scope_fd, LOCK_SH) < 0)
		r = error_errno(err, "cannot lock '" LIVE_FILE "'");
	(void)flock(one, LOCK_UN); /* the caller of a child may not have closed its copy yet */
	return r;
}

void scope_leave(struct keeper *k)
{
	close_fd(&k->scope_fd);
}
