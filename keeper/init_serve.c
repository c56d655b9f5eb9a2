/*
 * init_serve.c - PID 1's loop: take requests of carrel-shell, start commands, report their end, reap orphans.
 *
 * Everything is non-blocking and bounded: the other side of a connection is the user's and may stall or lie. See
 * core/wire.h, section 3.
 */
#include "init_serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "init_forward.h"

#define REQUEST_TIMEOUT_MS 10000

static void forget_request(struct spawn_request *r)
{
	for (size_t i = 0; i < r->fds_count; i++)
		close(r->fds[i]);
	r->fds_count = 0;
	free(r->strings);
	r->strings = NULL;
}

void connection_drop(struct server *s, size_t index)
{
	struct connection *c = &s->list[index];

	if (c->pid)
		s->changed = fs_now_ms();
	forget_request(&c->request);
	forward_remove(c->fd);
	close(c->fd);
	s->list[index] = s->list[--s->count];
}

static void accept_one(struct server *s)
{
	_cleanup_close_ int fd = accept4(s->k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || s->count == CONNECTIONS_MAX)
		return;
	s->list[s->count++] = (struct connection){
		.fd = steal_fd(&fd),
		.deadline = fs_now_ms() + REQUEST_TIMEOUT_MS,
	};
}

/*
 * Descriptors come with the first byte only, and exactly three. A directory or O_PATH descriptor would be a way out
 * of the root, a block device one to the disk, a terminal of the host one to whoever uses it.
 */
static bool is_harmless(int fd)
{
	struct stat st;
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_PATH) || fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode))
		return false;
	return !S_ISCHR(st.st_mode) || st.st_rdev == makedev(1, 3);
}

/* Take the descriptors of one received message. False: too many or not allowed. */
static bool take_descriptors(struct connection *c, struct msghdr *msg)
{
	bool good = !(msg->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (c->request.fds_count < ARRAY_SIZE(c->request.fds) && is_harmless(fd)) {
				c->request.fds[c->request.fds_count++] = fd;
			} else {
				close(fd);
				good = false;
			}
		}
	}
	return good;
}

/* Read more of header or strings. 1: something, 0: nothing yet, -1: drop the connection. */
static int read_some(struct connection *c, void *at, size_t size)
{
	union {
		char buf[CMSG_SPACE(8 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = at, .iov_len = size };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	ssize_t n = recvmsg(c->fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (!take_descriptors(c, &msg) || n == 0)
		return -1;
	c->have += (size_t)n;
	return 1;
}

static bool header_is_sane(const struct wire_request *r)
{
	return r->magic == WIRE_MAGIC && r->size > 0 && r->size <= WIRE_PAYLOAD_MAX &&
	       r->argc <= WIRE_STRINGS_MAX && r->envc <= WIRE_STRINGS_MAX &&
	       !(r->flags & ~(uint32_t)(WIRE_TERMINAL | WIRE_LOGIN | WIRE_AGENT));
}

static void start(struct server *s, struct connection *c)
{
	int r = spawn_command(s->k, &c->request, c->fd);

	s->changed = c->active = fs_now_ms();
	c->terminal = c->request.header.flags & WIRE_TERMINAL;
	if (r > 0)
		c->pid = r;
	else
		shutdown(c->fd, SHUT_RD); /* refused and told; its end of file will drop it */
	forget_request(&c->request);
}

/* False: drop. */
static bool read_request(struct server *s, struct connection *c)
{
	struct wire_request *header = &c->request.header;
	int r;

	do {
		if (c->have < sizeof(*header))
			r = read_some(c, (char *)header + c->have, sizeof(*header) - c->have);
		else
			r = read_some(c, c->request.strings + (c->have - sizeof(*header)),
				      sizeof(*header) + header->size - c->have);
		if (r > 0 && c->have == sizeof(*header)) {
			if (!header_is_sane(header))
				return false;
			c->request.strings = malloc(header->size);
			if (!c->request.strings)
				return false;
		}
		if (r > 0 && c->have == sizeof(*header) + header->size) {
			if (c->request.fds_count != 3)
				return false;
			start(s, c);
			return true;
		}
	} while (r > 0);
	return r == 0;
}

static void deliver_signal(const struct connection *c, int number)
{
	static const int allowed[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGCONT };

	for (size_t i = 0; !c->ended && i < ARRAY_SIZE(allowed); i++)
		if (number == allowed[i])
			kill(-c->pid,
			     number); /* its own process group; the pid is not reaped while it is here */
}

/* Messages of a carrel-shell whose command runs. False: it is gone; the command lives on, as with any shell. */
static bool read_message(struct connection *c)
{
	ssize_t n = recv(c->fd, (char *)&c->in + c->in_have, sizeof(c->in) - c->in_have, MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0)
		return false;
	c->in_have += (size_t)n;
	if (c->in_have == sizeof(c->in)) {
		c->in_have = 0;
		if (c->in.kind == WIRE_SIGNAL)
			deliver_signal(c, c->in.value);
		else if (c->in.kind == WIRE_IDLE)
			notice_idle(c, c->in.value);
		else
			return false;
	}
	return true;
}

static void reap(struct server *s, int signals)
{
	struct signalfd_siginfo info;
	int status;

	while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		;
	for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
		report_end(s, pid, status);
}

/* Backwards, because connection_drop() moves the last one into the gap. */
static void serve_connections(struct server *s, const struct pollfd *fds)
{
	int64_t now = fs_now_ms();

	for (size_t i = s->count; i-- > 0;) {
		struct connection *c = &s->list[i];
		bool keep = true;
		if (fds[i].revents)
			keep = c->pid ? read_message(c) : read_request(s, c);
		else if (!c->pid)
			keep = now < c->deadline;
		if (keep)
			continue;
		if (c->pid && !c->ended)
			s->cut_off = true;
		connection_drop(s, i);
	}
}

/* How long to sleep at most: until somebody's time is over. */
static int patience(const struct server *s)
{
	int ms = -1;

	for (size_t i = 0; i < s->count && ms < 0; i++) {
		if (!s->list[i].pid)
			ms = REQUEST_TIMEOUT_MS;
	}
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i].ended)
			ms = REPORT_MS;
	}
	if (s->question) {
		int64_t left = s->answer_by - fs_now_ms();
		ms = left <= 0 ? 0 : ms >= 0 && ms < left ? ms : (int)left;
	}
	return ms;
}

void init_serve(const struct keeper *k, int sync_fd)
{
	enum { KEEPER, SIGNALS, LISTENER, FIRST };
	struct server s = { .k = k, .sync_fd = sync_fd, .changed = fs_now_ms() };
	struct pollfd fds[FIRST + CONNECTIONS_MAX];
	sigset_t child;

	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	int signals = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0)
		return;
	for (;;) {
		fds[KEEPER] = (struct pollfd){ .fd = sync_fd, .events = POLLIN };
		fds[SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
		fds[LISTENER] = (struct pollfd){ .fd = k->listen_fd, .events = POLLIN };
		for (size_t i = 0; i < s.count; i++)
			fds[FIRST + i] = (struct pollfd){ .fd = s.list[i].fd, .events = POLLIN };
		if (poll(fds, FIRST + s.count, patience(&s)) < 0 && errno != EINTR)
			return;
		if (fds[KEEPER].revents && !notice_take(&s))
			return;
		serve_connections(&s, fds + FIRST);
		report_overdue(&s);
		notice_answer(&s);
		if (fds[SIGNALS].revents)
			reap(&s, signals);
		if (fds[LISTENER].revents)
			accept_one(&s);
	}
}
