/*
 * session_client.c - a dishonest carrel-shell: talks to a session's socket itself.
 *
 *	session_client SOCKET run KIND…      ask for `echo served`, with one descriptor for each KIND; KIND is
 *	                                     null, pipe, read:PATH, path:PATH (O_PATH), socket, pty (the slave)
 *	session_client SOCKET garbage N SEED send N wrong requests, each on a connection of its own
 *	session_client SOCKET flood N        open N connections, say half a request on each, and hold them for a second
 *
 * run prints "served", "refused" (the connection was closed, nothing was started) or "no connection: ERRNO".
 * Meant to be run as the session's user; the session is expected to survive all of it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/wire.h"

#define COMMAND	   "-c\0echo served\0/"
#define KINDS_MAX  16
#define ANSWER_MS  5000
#define FLOOD_MAX  4096
#define FLOOD_HOLD 1

static struct sockaddr_un address = { .sun_family = AF_UNIX };

static int try_connect(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(2, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* `kind` as a descriptor. *output is set to the other end of the last pipe. */
static int open_kind(const char *kind, int *output)
{
	int pair[2], master, slave, fd = -1;

	if (strcmp(kind, "null") == 0) {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} else if (strcmp(kind, "pipe") == 0 || strcmp(kind, "socket") == 0) {
		int r = *kind == 'p' ? pipe2(pair, O_CLOEXEC) : socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
		*output = r < 0 ? -1 : pair[0];
		fd = r < 0 ? -1 : pair[1];
	} else if (strcmp(kind, "pty") == 0 && openpty(&master, &slave, NULL, NULL, NULL) == 0) {
		fd = slave;
	} else if (strncmp(kind, "read:", 5) == 0) {
		fd = open(kind + 5, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	} else if (strncmp(kind, "path:", 5) == 0) {
		fd = open(kind + 5, O_PATH | O_CLOEXEC);
	}
	if (fd < 0)
		err(2, "cannot open '%s'", kind);
	return fd;
}

/* Whether init said that the command runs. It closes the connection when it refuses the request. */
static bool is_started(int connection)
{
	struct wire_message message;
	struct pollfd p = { .fd = connection, .events = POLLIN };
	int master;
	size_t count = 1;

	if (poll(&p, 1, ANSWER_MS) != 1)
		errx(2, "no answer within %d ms", ANSWER_MS);
	return wire_receive(connection, &message, sizeof(message), &master, &count) == 0 &&
	       message.kind == WIRE_STARTED;
}

static int run(int argc, char **kinds)
{
	struct wire_request request = {
		.magic = WIRE_MAGIC, .size = sizeof(COMMAND), .argc = 2, .envc = 0, .flags = 0
	};
	int fds[KINDS_MAX], output = -1;
	char text[64] = "";

	if (argc > KINDS_MAX)
		errx(2, "at most %d descriptors", KINDS_MAX);
	for (int i = 0; i < argc; i++)
		fds[i] = open_kind(kinds[i], &output);
	int connection = try_connect();
	if (connection < 0) {
		printf("no connection: %s\n", strerrorname_np(errno));
		return 1;
	}
	int r = wire_send(connection, &request, sizeof(request), fds, (size_t)argc);
	if (r == 0)
		r = wire_send(connection, COMMAND, sizeof(COMMAND), NULL, 0);
	if ((r < 0 && r != -EPIPE) || !is_started(connection)) {
		puts("refused");
		return 1;
	}
	for (int i = 0; i < argc; i++)
		close(fds[i]); /* so that the end of the command is an end of file */
	if (output < 0) {
		puts("served");
		return 0;
	}
	ssize_t n = read(output, text, sizeof(text) - 1);
	fputs(n > 0 ? text : "served, without a word\n", stdout);
	return 0;
}

/* A request with something wrong in it. The strings follow, if it has any. */
static void send_garbage(int connection, unsigned kind)
{
	struct wire_request request = {
		.magic = WIRE_MAGIC, .size = sizeof(COMMAND), .argc = 2, .envc = 0, .flags = 0
	};
	char noise[8192], command[sizeof(COMMAND)] = COMMAND;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fds[KINDS_MAX];
	size_t count = 3;

	for (size_t i = 0; i < sizeof(noise); i++)
		noise[i] = (char)random();
	for (size_t i = 0; i < KINDS_MAX; i++)
		fds[i] = null;
	switch (kind) {
	case 0: /* nothing of it makes sense */
		send(connection, noise, (size_t)random() % sizeof(noise) + 1, MSG_NOSIGNAL);
		close(null);
		return;
	case 1:
		request.size = 0;
		break;
	case 2:
		request.size = (uint32_t)random() * 2 + 1;
		break;
	case 3:
		request.argc = (uint32_t)random();
		break;
	case 4:
		request.envc = 0xffffffffu;
		break;
	case 5:
		request.flags = (uint32_t)random() | 4;
		break;
	case 6: /* more strings announced than there are */
		request.argc = 64;
		break;
	case 7: /* no NUL anywhere */
		memset(command, 'x', sizeof(command));
		break;
	case 8:
		count = (size_t)random() % 3;
		break;
	case 9:
		count = 4 + (size_t)random() % (KINDS_MAX - 4);
		break;
	case 10: /* a terminal of a million columns and no sense in its modes */
		request.flags = WIRE_TERMINAL;
		memset(&request.window, 0xff, sizeof(request.window));
		memset(&request.termios, 0xff, sizeof(request.termios));
		break;
	default: /* right, and then messages that are not */
		break;
	}
	if (wire_send(connection, &request, sizeof(request), fds, count) == 0 &&
	    wire_send(connection, command, sizeof(command), NULL, 0) == 0)
		send(connection, noise, sizeof(noise), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(null);
}

static int garbage(unsigned count, unsigned seed)
{
	srandom(seed);
	for (unsigned i = 0; i < count; i++) {
		int connection = try_connect();
		if (connection < 0)
			err(1, "request %u", i);
		send_garbage(connection, i % 12);
		close(connection);
	}
	printf("sent %u\n", count);
	return 0;
}

static int flood(unsigned count)
{
	static int connections[FLOOD_MAX];
	const struct rlimit files = { FLOOD_MAX + 64, FLOOD_MAX + 64 };
	const struct wire_request request = { .magic = WIRE_MAGIC, .size = 16 };
	unsigned open = 0;

	if (count > FLOOD_MAX)
		errx(2, "at most %d connections", FLOOD_MAX);
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < count; i++) {
		connections[i] = try_connect();
		if (connections[i] < 0)
			continue;
		open++;
		send(connections[i], &request, sizeof(request) / 2, MSG_NOSIGNAL);
	}
	sleep(FLOOD_HOLD);
	printf("opened %u\n", open);
	return open == 0;
}

int main(int argc, char **argv)
{
	const char *word = argc > 2 ? argv[2] : "";

	if (argc < 4 || strlen(argv[1]) >= sizeof(address.sun_path))
		errx(2, "usage: session_client SOCKET run KIND... | garbage N SEED | flood N");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	if (strcmp(word, "run") == 0)
		return run(argc - 3, argv + 3);
	if (strcmp(word, "garbage") == 0 && argc == 5)
		return garbage((unsigned)strtoul(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10));
	if (strcmp(word, "flood") == 0 && argc == 4)
		return flood((unsigned)strtoul(argv[3], NULL, 10));
	errx(2, "unknown word '%s'", word);
}
