/* ask.c - see ask.h. */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wire.h"
#include "init_serve.h"
#include "notice.h"
#include "oom.h"
#include "supervise.h"
#include "watch.h"

enum ask_kind {
	ASK_SCORE = 1, /* with a socket for the answer, 0 or -errno */
	ASK_LOOK,
};

struct ask_message {
	uint32_t kind; /* enum ask_kind */
	uint32_t serial;
};

int ask_open(struct keeper *k, struct carrel_error *err)
{
	int on = 1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, k->ask_fds) < 0 ||
	    setsockopt(k->ask_fds[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0)
		return error_errno(err, "cannot make a socket pair");
	return 0;
}

/* The kernel puts as many into a message as its room takes, which padding makes more than one. Of several none is kept. */
static void take_fds(struct cmsghdr *h, int *fd)
{
	size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < count; i++) {
		int one;
		memcpy(&one, CMSG_DATA(h) + i * sizeof(int), sizeof(one));
		if (count == 1 && *fd < 0)
			*fd = one;
		else
			close(one);
	}
}

/* A message, the process that sent it as the kernel has it here, and the descriptor that came with it, or -EBADF. */
static int take(int socket, struct ask_message *message, pid_t *pid, int *fd)
{
	union {
		char buf[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	struct ucred cred = { .pid = 0 };
	struct iovec iov = { .iov_base = message, .iov_len = sizeof(*message) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};

	ssize_t n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&msg); h; h = CMSG_NXTHDR(&msg, h)) {
		if (h->cmsg_level != SOL_SOCKET)
			continue;
		if (h->cmsg_type == SCM_CREDENTIALS && h->cmsg_len == CMSG_LEN(sizeof(cred)))
			memcpy(&cred, CMSG_DATA(h), sizeof(cred));
		if (h->cmsg_type == SCM_RIGHTS)
			take_fds(h, fd);
	}
	*pid = cred.pid;
	return n == (ssize_t)sizeof(*message) ? 0 : n == 0 ? -ECONNRESET : -EPROTO;
}

/* Never waits, whatever it is that came: an answer goes to a socket or nowhere. */
static enum ending serve(struct keeper *k, struct source *self, short revents)
{
	_cleanup_close_ int fd = -EBADF;
	struct ask_message message;
	pid_t pid = 0;
	int32_t answer;

	int r = take(self->fd, &message, &pid, &fd);
	if (r == -ECONNRESET)
		self->fd = -EBADF;
	if (r < 0)
		return ENDING_NONE;
	if (message.kind == ASK_SCORE && pid > 0 && fd >= 0) {
		answer = oom_set(k, pid);
		(void)send(fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (message.kind == ASK_LOOK) {
		watch_now(k);
		notice_told(k, message.serial);
	}
	return ENDING_NONE;
}

void ask_serve(struct keeper *k)
{
	const struct source source = {
		.fd = k->ask_fds[0], .events = POLLIN, .due = SOURCE_NEVER, .run = serve
	};

	supervise_add(k, &source);
}

int ask_score(const struct keeper *k)
{
	const struct ask_message message = { .kind = ASK_SCORE };
	int pair[2];
	int32_t answer;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	int r = wire_send(k->ask_fds[1], &message, sizeof(message), &theirs, 1);
	close_fd(&theirs); /* now its end of file says that nobody answers */
	if (r < 0)
		return r;
	struct pollfd p = { .fd = ours, .events = POLLIN };
	r = poll(&p, 1, ASK_TIMEOUT_MS);
	if (r <= 0)
		return r < 0 ? -errno : -ETIMEDOUT;
	return recv(ours, &answer, sizeof(answer), 0) == sizeof(answer) ? answer : -EPIPE;
}

int ask_look(const struct keeper *k, uint32_t serial)
{
	const struct ask_message message = { .kind = ASK_LOOK, .serial = serial };

	return init_send(k->ask_fds[1], &message, sizeof(message));
}
