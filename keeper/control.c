/* control.c - see control.h. Run by the keeper, as root, on the host. */
#include "control.h"

#include <poll.h>
#include <stdbool.h>
#include <string.h>
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

/* One connection, one word. A connection that ends the session stays open until the keeper exits: see core/wire.h. */
enum ending control_serve(struct keeper *k, struct source *self, short revents)
{
	char word[32];

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
	bool kill = strcmp(word, CONTROL_KILL) == 0;
	if (!kill && strcmp(word, CONTROL_CLOSE) != 0) {
		send(fd, "unknown", 7, MSG_NOSIGNAL);
		return ENDING_NONE;
	}
	if (kill)
		log_send("carrel-keeper", LOG_NOTICE, "session '%s' of '%s' was ended by the administrator",
			 k->record.id, k->user.name);
	steal_fd(&fd);
	return kill ? ENDING_ADMIN : ENDING_LOGOUT;
}
