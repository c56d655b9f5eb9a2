/*
 * netns.c - see netns.h. Runs inside sshd's monitor (or login, su …), as root.
 *
 * Why at all: the per-user sshd process is a fork of the monitor and runs on the host. What it does on the
 * network for `ssh -L`, -R, -D and -W, it does in the network namespace it was born in, so that has to be the sandbox's,
 * or a sandboxed user reaches the host's loopback. The client's own TCP connection is not affected.
 *
 * Why back: a process that lives on in the namespace keeps it alive after the session, and a keeper that it
 * starts would work there instead of on the host. No descriptor of the old namespace is kept meanwhile, because the
 * per-user process would inherit it; a relative that never moved leads back, recognised by the namespace's number.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/cleanup.h"

/* One thread's namespace is not always that of its process. */
#define OWN_NETNS "/proc/thread-self/ns/net"

static bool is_home(const struct netns_home *home, const struct stat *st)
{
	return st->st_dev == home->dev && st->st_ino == home->ino;
}

int netns_join(int fd, struct netns_home *home)
{
	struct stat st;

	if (stat(OWN_NETNS, &st) < 0 || setns(fd, CLONE_NEWNET) < 0)
		return -errno;
	*home = (struct netns_home){ .dev = st.st_dev, .ino = st.st_ino };
	return 0;
}

/* Enter the namespace of process `pid` if it is *home. */
static int follow(pid_t pid, const struct netns_home *home)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!is_home(home, &st))
		return -ESRCH;
	return setns(fd, CLONE_NEWNET) < 0 ? -errno : 0;
}

int netns_leave(struct netns_home *home)
{
	const struct netns_home target = *home;
	struct stat st;

	*home = (struct netns_home){ 0 };
	if (!target.ino || (stat(OWN_NETNS, &st) == 0 && is_home(&target, &st)))
		return 0;
	if (follow(getppid(), &target) == 0 || follow(1, &target) == 0)
		return 0;
	return -ESRCH;
}
