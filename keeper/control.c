/* control.c - see control.h. Run by the keeper, as root, on the host. */
#include "control.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/wire.h"
#include "guard.h"
#include "notice.h"

#define CONTROL_TIMEOUT_MS 1000
#define COUNT_TIMEOUT_MS   100

static bool peer_is_root(int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 && cred.uid == 0;
}

/*
 * The login has ended: in order, or with a command still running? Or because init died, whose socket is closed before its pidfd
 * says so? The module waits for us, so there is little time; without an answer it was in order.
 */
static enum ending how_it_was_left(struct keeper *k)
{
	struct activity a;

	int r = notice_count(k, COUNT_TIMEOUT_MS, &a);
	if (r == -EPIPE || r == -ECONNRESET)
		return ENDING_INIT;
	return r == 0 && (a.commands || a.cut_off) ? ENDING_CUT_OFF : ENDING_LOGOUT;
}

static void change_rules(struct keeper *k, int fd, const char *word)
{
	static const char refusal[] = CONTROL_ERROR "the rules are not right";
	struct session_rules set = *guard_rules();
	bool good = rules_parse(word, &set);

	if (good)
		guard_change(k, &set);
	(void)send(fd, good ? CONTROL_DONE : refusal, good ? strlen(CONTROL_DONE) : strlen(refusal),
		   MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* A connection that ends the session stays open until the keeper exits: see core/wire.h. */
static enum ending obey(struct keeper *k, int *fd, const char *word)
{
	static const char unknown[] = CONTROL_ERROR "unknown word";

	if (strcmp(word, CONTROL_CLOSE) == 0) {
		steal_fd(fd);
		return how_it_was_left(k);
	}
	if (strcmp(word, CONTROL_KILL) == 0) {
		steal_fd(fd);
		return ENDING_ADMIN;
	}
	if (strcmp(word, CONTROL_STATUS) == 0)
		guard_status(k, steal_fd(fd));
	else if (strncmp(word, CONTROL_RULES, strlen(CONTROL_RULES)) == 0)
		change_rules(k, *fd, word);
	else
		(void)send(*fd, unknown, strlen(unknown), MSG_NOSIGNAL | MSG_DONTWAIT);
	return ENDING_NONE;
}

/* One connection, one word. */
enum ending control_serve(struct keeper *k, struct source *self, short revents)
{
	char word[256];

	_cleanup_close_ int fd = accept4(self->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || !peer_is_root(fd))
		return ENDING_NONE;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (poll(&p, 1, CONTROL_TIMEOUT_MS) != 1)
		return ENDING_NONE;
	ssize_t n = recv(fd, word, sizeof(word) - 1, 0);
	if (n <= 0)
		return ENDING_NONE;
	word[n] = '\0';
	return obey(k, &fd, word);
}
