/*
 * x11_peer.c - an X11 display that only looks at how clients introduce themselves, and such a client.
 *
 *	x11_peer serve SOCKET        from now on, in the background, answer whoever connects with the method and the
 *	                             cookie that they sent
 *	x11_peer connect [COOKIE]    introduce oneself to DISPLAY ("localhost:N.S") with the first cookie of the file
 *	                             XAUTHORITY, or with COOKIE (hexadecimal), and print the answer
 *
 * Exit status 1 when there is no display, no cookie or no answer. Linked statically, to run in any rootfs.
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

#define METHOD	   "MIT-MAGIC-COOKIE-1"
#define COOKIE_MAX 64
#define PATIENCE_S 30

/* The first message of the X11 protocol, little-endian; method and cookie follow, each padded to four bytes. */
struct hello {
	char byte_order;
	char unused;
	uint16_t major, minor;
	uint16_t method_size, cookie_size;
	uint16_t pad;
};

static size_t padded(size_t size)
{
	return (size + 3) & ~(size_t)3;
}

static void take(int fd, void *buf, size_t size)
{
	if (recv(fd, buf, size, MSG_WAITALL) != (ssize_t)size)
		errx(1, "the display went away");
}

static void answer(int fd)
{
	struct hello hello;
	char method[256], text[512];
	unsigned char cookie[256];

	take(fd, &hello, sizeof(hello));
	if (hello.byte_order != 'l' || hello.method_size > 128 || hello.cookie_size > COOKIE_MAX)
		errx(1, "no X11 client");
	take(fd, method, padded(hello.method_size));
	take(fd, cookie, padded(hello.cookie_size));
	int n = snprintf(text, sizeof(text), "%.*s ", hello.method_size, method);
	for (size_t i = 0; i < hello.cookie_size; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%02x", cookie[i]);
	text[n++] = '\n';
	(void)send(fd, text, (size_t)n, MSG_NOSIGNAL);
}

static int serve(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(at.sun_path))
		errx(2, "%s: too long", path);
	memcpy(at.sun_path, path, strlen(path));
	if (fd < 0)
		err(1, "socket");
	listen_in_background(fd, (struct sockaddr *)&at, sizeof(at), path);
	for (;;) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (peer < 0)
			return 1;
		if (fork() == 0) {
			alarm(PATIENCE_S);
			answer(peer);
			_exit(0);
		}
		close(peer);
	}
}

static int connect_display(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const char *display = getenv("DISPLAY"), host[] = "localhost:";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!display || strncmp(display, host, strlen(host)) != 0)
		errx(1, "no DISPLAY");
	at.sin_port = htons((uint16_t)(6000 + strtoul(display + strlen(host), NULL, 10)));
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		err(1, "%s", display);
	return fd;
}

/* Skip one field of an Xauthority file, or copy it. Returns its size. */
static size_t field(FILE *file, unsigned char *out, size_t max)
{
	int high = getc(file), low = getc(file);
	size_t size = (size_t)high << 8 | (size_t)low;

	if (high < 0 || low < 0 || size > max || fread(out, 1, size, file) != size)
		errx(1, "a damaged Xauthority file");
	return size;
}

static size_t cookie_of_file(unsigned char *cookie)
{
	const char *path = getenv("XAUTHORITY");
	FILE *file = path ? fopen(path, "re") : NULL;
	unsigned char skipped[256];

	if (!file)
		errx(1, "no XAUTHORITY");
	(void)getc(file);
	(void)getc(file); /* the family */
	field(file, skipped, sizeof(skipped));
	field(file, skipped, sizeof(skipped));
	size_t size = field(file, skipped, sizeof(skipped));
	if (size != strlen(METHOD) || memcmp(skipped, METHOD, size) != 0)
		errx(1, "another method than " METHOD);
	size = field(file, cookie, COOKIE_MAX);
	fclose(file);
	return size;
}

static size_t cookie_of_text(const char *text, unsigned char *cookie)
{
	size_t size = 0;

	for (; text[0] && text[1] && size < COOKIE_MAX; text += 2) {
		const char digits[] = { text[0], text[1], '\0' };
		cookie[size++] = (unsigned char)strtoul(digits, NULL, 16);
	}
	return size;
}

static int introduce(const char *text)
{
	unsigned char cookie[COOKIE_MAX + 4] = { 0 };
	size_t size = text ? cookie_of_text(text, cookie) : cookie_of_file(cookie);
	const struct hello hello = { .byte_order = 'l',
				     .major = 11,
				     .method_size = sizeof(METHOD) - 1,
				     .cookie_size = (uint16_t)size };
	char method[32] = METHOD, line[512];
	int fd = connect_display();

	if (send(fd, &hello, sizeof(hello), MSG_NOSIGNAL) < 0 ||
	    send(fd, method, padded(hello.method_size), MSG_NOSIGNAL) < 0 ||
	    send(fd, cookie, padded(size), MSG_NOSIGNAL) < 0)
		err(1, "send");
	ssize_t n = recv(fd, line, sizeof(line), 0);
	if (n <= 0)
		errx(1, "the display says nothing");
	return write(STDOUT_FILENO, line, (size_t)n) != n;
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	alarm(PATIENCE_S);
	if ((argc == 2 || argc == 3) && strcmp(argv[1], "connect") == 0)
		return introduce(argv[2]);
	errx(2, "usage: x11_peer serve SOCKET | connect [COOKIE]");
}
