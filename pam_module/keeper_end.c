/* keeper_end.c - the end of a session, see keeper_call.h. Runs inside sshd's monitor (or login, su …), as root. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "keeper_call.h"

/* A unix socket's connect and send wait only while the other side's queue is full, and no longer than this. */
static int limit_sending(int fd, int64_t deadline)
{
	int64_t left = deadline - clock_ms();
	struct timeval limit = { .tv_sec = left / 1000, .tv_usec = left % 1000 * 1000 };

	if (left <= 0)
		return -ETIMEDOUT;
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) < 0 ? -errno : 0;
}

static int connect_control(int fd, const char *id, int64_t deadline)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int r;

	snprintf(to.sun_path, sizeof(to.sun_path), CARREL_SESSIONS "/%s/control", id);
	do {
		r = limit_sending(fd, deadline);
		if (r < 0)
			return r;
		r = connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ? -errno : 0;
	} while (r == -EINTR);
	return r == -EAGAIN ? -ETIMEDOUT : r;
}

/*
 * Tell the session's keeper to end it and wait until the keeper is gone. 0; -ENOENT or -ECONNREFUSED when
 * there is no keeper; else -errno and `why`.
 */
static int end_by_keeper(const char *id, int64_t deadline, char *why, size_t size)
{
	char answer[WIRE_ANSWER_MAX + 1];
	ssize_t n;

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : connect_control(fd, id, deadline);
	/* A keeper that dies before it reads the word is one that has ended: what follows is an end of file. */
	if (r == 0 && send(fd, CONTROL_CLOSE, strlen(CONTROL_CLOSE), MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		r = errno == EAGAIN ? -ETIMEDOUT : -errno;
	if (r == 0)
		r = wait_readable(fd, deadline);
	if (r < 0) {
		snprintf(why, size, "%s", r == -ETIMEDOUT ? "its keeper did not end in time" : strerror(-r));
		return r;
	}
	n = recv(fd, answer, sizeof(answer) - 1, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	answer[n] = '\0';
	snprintf(why, size, "its keeper answered '%s'", answer);
	return -EPROTO;
}

/* Whether anything of the session is left. What cannot be looked at counts. */
static bool session_remains(const char *id)
{
	char path[sizeof(CARREL_SESSIONS) + 32];
	struct stat st;

	snprintf(path, sizeof(path), CARREL_SESSIONS "/%s", id);
	return lstat(path, &st) == 0 || (errno != ENOENT && errno != ENOTDIR);
}

int keeper_end(const char *id, int64_t deadline, char *why, size_t size)
{
	const char *const argv[] = { "carrel-keeper", "close", id, NULL };
	struct keeper_answer answer;

	int r = end_by_keeper(id, deadline, why, size);
	if (r < 0 && r != -ENOENT && r != -ECONNREFUSED)
		return r;
	/* A keeper that was killed has left the session's directory behind, and perhaps more. */
	if (!session_remains(id))
		return 0;
	keeper_ask(argv, deadline, &answer);
	close_fd(&answer.netns_fd);
	if (answer.word == KEEPER_GONE)
		return 0;
	snprintf(why, size, "%s", *answer.log ? answer.log : "the keeper's answer makes no sense");
	return -EIO;
}
