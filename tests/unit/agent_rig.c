/* agent_rig.c - see agent_rig.h. */
#include "agent_rig.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"

struct agent agent;
char dir[64], inside[96], outside[96];
int agent_listener = -EBADF;

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	return at;
}

int listen_at(const char *path)
{
	const struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

int rig_set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_agent.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(inside, sizeof(inside), "%s/inside", dir);
	snprintf(outside, sizeof(outside), "%s/outside", dir);
	agent_listener = listen_at(outside);
	assert_true(agent_find(&agent, outside));
	agent_listen(&agent, listen_at(inside));
	return 0;
}

int rig_tear_down(void **state)
{
	agent_clear(&agent);
	close_fd(&agent_listener);
	unlink(inside);
	unlink(outside);
	return rmdir(dir);
}

void run(void)
{
	struct pollfd p[AGENT_POLLFDS];

	for (int turns = 0; poll(p, agent_watch(&agent, p), 0) > 0; turns++) {
		assert_true(turns < 10000); /* a busy loop */
		agent_move(&agent, p);
	}
}

int client(void)
{
	const struct sockaddr_un at = address(inside);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

int served(void)
{
	run();
	return accept4(agent_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	run();
}

const char *hear(int fd)
{
	static char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == EAGAIN ? "-" : "error";
	text[n] = '\0';
	return text;
}
