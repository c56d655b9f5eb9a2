/* supervise.c - see supervise.h. Run by the keeper, as root, on the host. */
#include "supervise.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/wire.h"

#define CONTROL_TIMEOUT_MS 1000

static bool peer_is_root(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 && cred.uid == 0;
}

/* One connection, one word. True when the session shall end; then the connection stays open on purpose. */
static bool serve_control(struct keeper *k)
{
	char word[32];

	_cleanup_close_ int fd = accept4(k->control_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || !peer_is_root(fd))
		return false;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (poll(&p, 1, CONTROL_TIMEOUT_MS) != 1)
		return false;
	ssize_t n = recv(fd, word, sizeof(word) - 1, 0);
	if (n <= 0)
		return false;
	word[n] = '\0';
	bool kill = strcmp(word, CONTROL_KILL) == 0;
	if (!kill && strcmp(word, CONTROL_CLOSE) != 0) {
		send(fd, "unknown", 7, MSG_NOSIGNAL);
		return false;
	}
	if (kill)
		log_send("carrel-keeper", LOG_NOTICE, "session '%s' of '%s' was ended by the administrator",
			 k->record.id, k->user.name);
	steal_fd(&fd);
	return true;
}

void supervise(struct keeper *k)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigaddset(&stop, SIGHUP);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	_cleanup_close_ int signals = signalfd(-1, &stop, SFD_CLOEXEC);
	struct pollfd fds[] = {
		{ .fd = k->init_pidfd, .events = POLLIN },
		{ .fd = WIRE_OPENER_FD, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = k->control_fd, .events = POLLIN },
	};

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
			if (errno == EINTR)
				continue;
			return;
		}
		if (fds[0].revents || fds[1].revents || fds[2].revents)
			return;
		if (fds[3].revents && serve_control(k))
			return;
	}
}
