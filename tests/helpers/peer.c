/*
 * peer.c - both ends of the simplest conversation, to see what a forward leads to.
 *
 *	peer say ADDRESS TEXT        from now on, in the background, say TEXT to whoever connects
 *	peer hear ADDRESS            connect and print what is said
 *	peer socks PORT ADDRESS      the same through the SOCKS proxy on that port of 127.0.0.1
 *
 * ADDRESS is a port of 127.0.0.1, or the path of a socket. Exit status 1 and a message when there is nobody.
 * Linked statically, to run in any rootfs.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "background.h"

#define PATIENCE_S 30

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_un un;
};

static int make_socket(const char *text, union address *at, socklen_t *size)
{
	*at = (union address){ 0 };
	if (*text == '/') {
		if (strlen(text) >= sizeof(at->un.sun_path))
			errx(2, "%s: too long", text);
		at->un.sun_family = AF_UNIX;
		memcpy(at->un.sun_path, text, strlen(text));
		*size = sizeof(at->un);
	} else {
		at->in.sin_family = AF_INET;
		at->in.sin_port = htons((uint16_t)strtoul(text, NULL, 10));
		at->in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		*size = sizeof(at->in);
	}
	int fd = socket(at->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	return fd;
}

static int say(const char *address, const char *text)
{
	union address at;
	socklen_t size;
	int on = 1, fd = make_socket(address, &at, &size);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	listen_in_background(fd, &at.any, size, address);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			return 1;
		(void)send(peer, text, strlen(text), MSG_NOSIGNAL);
		close(peer);
	}
}

static int connect_to(const char *address)
{
	union address at;
	socklen_t size;
	int fd = make_socket(address, &at, &size);

	if (connect(fd, &at.any, size) < 0)
		err(1, "%s", address);
	return fd;
}

static void read_exactly(int fd, void *buf, size_t size)
{
	if (recv(fd, buf, size, MSG_WAITALL) != (ssize_t)size)
		errx(1, "the proxy said nothing more");
}

/* RFC 1928, without authentication, to an IPv4 address. */
static void ask_proxy(int fd, const char *address)
{
	const unsigned port = (unsigned)strtoul(address, NULL, 10);
	const unsigned char hello[] = { 5, 1, 0 };
	const unsigned char request[] = {
		5, 1, 0, 1, 127, 0, 0, 1, (unsigned char)(port >> 8), (unsigned char)port
	};
	unsigned char answer[10];

	if (send(fd, hello, sizeof(hello), MSG_NOSIGNAL) < 0)
		err(1, "proxy");
	read_exactly(fd, answer, 2);
	if (answer[1] != 0 || send(fd, request, sizeof(request), MSG_NOSIGNAL) < 0)
		errx(1, "the proxy refused the method");
	read_exactly(fd, answer, sizeof(answer));
	if (answer[1] != 0)
		errx(1, "the proxy could not connect: %u", answer[1]);
}

/* A forward whose far end is closed looks like a peer with nothing to say: that is an error as well. */
static int hear(int fd)
{
	char buf[4096];
	ssize_t n;
	size_t all = 0;

	for (; (n = recv(fd, buf, sizeof(buf), 0)) > 0; all += (size_t)n) {
		if (write(STDOUT_FILENO, buf, (size_t)n) != n)
			err(1, "write");
	}
	if (all == 0)
		errx(1, "nothing was said");
	return n < 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "say") == 0)
		return say(argv[2], argv[3]);
	alarm(PATIENCE_S);
	if (argc == 3 && strcmp(argv[1], "hear") == 0)
		return hear(connect_to(argv[2]));
	if (argc == 4 && strcmp(argv[1], "socks") == 0) {
		int fd = connect_to(argv[2]);
		ask_proxy(fd, argv[3]);
		return hear(fd);
	}
	errx(2, "usage: peer say ADDRESS TEXT | hear ADDRESS | socks PORT ADDRESS");
}
