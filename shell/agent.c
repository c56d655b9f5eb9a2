/*
 * agent.c - see agent.h. Runs in carrel-shell, as the user, on the host.
 */
#include "shell/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"

/* sshd is our parent. A forced command may be run by a shell or two in between. */
#define ANCESTORS_MAX 8

bool agent_find(struct agent *agent, const char *path)
{
	struct stat st;

	agent->outside.sun_family = AF_UNIX;
	agent->listener = -EBADF;
	agent->count = 0;
	return path && path[0] == '/' &&
	       text_format(agent->outside.sun_path, sizeof(agent->outside.sun_path), "%s", path) == 0 &&
	       lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_uid == getuid();
}

void agent_listen(struct agent *agent, int listener)
{
	agent->listener = listener;
}

/* The parent of a process, or 0. */
static pid_t parent_of(pid_t pid)
{
	char path[64], text[1024];

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	if (fs_read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
		return 0;
	const char *name_end = strrchr(text,
				       ')'); /* "PID (NAME) STATE PARENT …", and the name may hold anything */
	return name_end && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/*
 * Whether who listens at the other end is the sshd that started us, or ourselves (an ssh-agent that was given us to run
 * listens before it becomes us). A name proves nothing: SSH_AUTH_SOCK can come from the client where sshd takes all its
 * variables, and since OpenSSH 10.1 the socket lies in ~/.ssh, where the sandbox can put a link in its place. Relaying to
 * whatever it leads to would open the user's other sockets on the host, the session bus for one, to the sandbox.
 */
static bool is_own_sshd(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);
	pid_t pid = getpid();

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.uid != getuid())
		return false;
	for (int i = 0; i <= ANCESTORS_MAX && pid > 1; i++) {
		if (pid == peer.pid)
			return true;
		pid = i == 0 ? getppid()
			     : parent_of(pid); /* sshd's may be hidden in /proc, but not from its child */
	}
	return false;
}

static int connect_outside(const struct agent *agent)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* A full backlog is EAGAIN at once: this connection then fails, and the others go on. */
	if (fd < 0 || connect(fd, (const struct sockaddr *)&agent->outside, sizeof(agent->outside)) < 0 ||
	    !is_own_sshd(fd))
		return -EIO;
	return steal_fd(&fd);
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static void accept_one(struct agent *agent)
{
	_cleanup_close_ int inside = accept4(agent->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (inside < 0) {
		if (!try_again() && errno != ECONNABORTED)
			close_fd(&agent->listener); /* out of descriptors, say: it would be ready for ever */
		return;
	}
	int outside = connect_outside(agent);
	if (outside < 0)
		return;
	struct agent_connection *c = &agent->list[agent->count++];
	c->fd[AGENT_INSIDE] = steal_fd(&inside);
	c->fd[AGENT_OUTSIDE] = outside;
	for (int side = AGENT_INSIDE; side <= AGENT_OUTSIDE; side++) {
		c->way[side].finished = c->way[side].over = false;
		c->way[side].start = c->way[side].end = 0;
	}
}

static void drop(struct agent *agent, struct agent_connection *c)
{
	struct agent_connection *last = &agent->list[--agent->count];

	close_fd(&c->fd[AGENT_INSIDE]);
	close_fd(&c->fd[AGENT_OUTSIDE]);
	if (c != last)
		*c = *last;
}

static bool way_waiting(const struct agent_way *w)
{
	return w->start < w->end;
}

static short wanted(const struct agent_connection *c, int side)
{
	const struct agent_way *out = &c->way[side], *in = &c->way[!side];

	return (short)((!out->finished && out->end < AGENT_BUFFER ? POLLIN : 0) |
		       (way_waiting(in) ? POLLOUT : 0));
}

static void way_fill(struct agent_connection *c, int side)
{
	struct agent_way *w = &c->way[side];
	ssize_t n = read(c->fd[side], w->data + w->end, AGENT_BUFFER - w->end);

	if (n > 0)
		w->end += (size_t)n;
	else if (n == 0 || !try_again())
		w->finished = true;
}

static void way_flush(struct agent_connection *c, int side)
{
	struct agent_way *w = &c->way[side];
	ssize_t n = send(c->fd[!side], w->data + w->start, w->end - w->start, MSG_NOSIGNAL);

	if (n < 0 &&
	    !try_again()) { /* nobody reads any more; whoever writes is told by an error of their own */
		(void)shutdown(c->fd[side], SHUT_RD);
		w->finished = true;
		w->end = w->start;
	}
	w->start += n > 0 ? (size_t)n : 0;
	if (!way_waiting(w))
		w->start = w->end = 0;
}

/* The end of one direction is passed on, and the other one goes on. */
static void way_settle(struct agent_connection *c, int side)
{
	struct agent_way *w = &c->way[side];

	if (!w->finished || w->over || way_waiting(w))
		return;
	(void)shutdown(c->fd[!side], SHUT_WR);
	w->over = true;
}

nfds_t agent_watch(const struct agent *agent, struct pollfd *p)
{
	nfds_t n = 0;
	bool room = agent->count < AGENT_CONNECTIONS;

	p[n++] = (struct pollfd){ .fd = room ? agent->listener : -1, .events = POLLIN };
	for (size_t i = 0; i < agent->count; i++) {
		const struct agent_connection *c = &agent->list[i];
		for (int side = AGENT_INSIDE; side <= AGENT_OUTSIDE; side++) {
			short events = wanted(c, side);
			/* With nothing wanted it is left out: its POLLHUP would turn the loop into a busy one. */
			p[n++] = (struct pollfd){ .fd = events ? c->fd[side] : -1, .events = events };
		}
	}
	return n;
}

void agent_move(struct agent *agent, const struct pollfd *p)
{
	/* Backwards, because drop() moves the last one into the gap. */
	for (size_t i = agent->count; i-- > 0;) {
		struct agent_connection *c = &agent->list[i];
		for (int side = AGENT_INSIDE; side <= AGENT_OUTSIDE; side++) {
			const struct pollfd *ready = &p[1 + 2 * i + (size_t)side];
			if (ready->revents & ~POLLOUT && ready->events & POLLIN)
				way_fill(c, side);
			if (ready->revents & ~POLLIN && ready->events & POLLOUT)
				way_flush(c, !side);
		}
		way_settle(c, AGENT_INSIDE);
		way_settle(c, AGENT_OUTSIDE);
		if (c->way[AGENT_INSIDE].over && c->way[AGENT_OUTSIDE].over)
			drop(agent, c);
	}
	if (p[0].revents)
		accept_one(agent);
}

void agent_clear(struct agent *agent)
{
	while (agent->count)
		drop(agent, &agent->list[0]);
	close_fd(&agent->listener);
}
