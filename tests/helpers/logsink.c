/*
 * logsink.c - a syslog daemon for tests: writes what arrives on a datagram socket to a file.
 *
 *	logsink SOCKET FILE
 *	logsink SOCKET		wait until all that has been sent so far is in the file
 *
 * One line per datagram, as it came ("<38>sshd[7]: text"), with every byte outside printable ASCII as \xHH, so
 * that a test can count lines and see what a log injection tried. Runs until it is killed. A datagram without
 * content, which no program logs, is answered with another when those before it are written.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (text_format(addr.sun_path, sizeof(addr.sun_path), "%s", path) < 0)
		errx(1, "the path '%s' is too long", path);
	return addr;
}

static int datagram_socket(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		err(1, "socket");
	return fd;
}

static void wait_for_all(const char *path)
{
	const struct sockaddr_un sink = address(path);
	const sa_family_t any = AF_UNIX; /* a name that the kernel chooses, for the answer */
	int fd = datagram_socket();
	char byte;

	alarm(60);
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) < 0 ||
	    connect(fd, (const struct sockaddr *)&sink, sizeof(sink)) < 0 || send(fd, "", 0, 0) < 0 ||
	    recv(fd, &byte, 1, 0) < 0)
		err(1, "no answer from '%s'", path);
}

int main(int argc, char **argv)
{
	if (argc == 2) {
		wait_for_all(argv[1]);
		return 0;
	}
	if (argc != 3)
		errx(2, "usage: logsink SOCKET [FILE]");

	const struct sockaddr_un addr = address(argv[1]);
	int log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int fd = datagram_socket();
	if (log < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 || chmod(argv[1], 0666) < 0)
		err(1, "cannot listen on '%s'", argv[1]);

	for (;;) {
		static char message[16384], line[4 * sizeof(message) + 2];
		struct sockaddr_un from;
		socklen_t from_length = sizeof(from);
		ssize_t n = recvfrom(fd, message, sizeof(message) - 1, 0, (struct sockaddr *)&from,
				     &from_length);
		if (n < 0)
			err(1, "recv");
		if (n == 0 && from_length > sizeof(from.sun_family)) {
			(void)sendto(fd, "", 0, 0, (const struct sockaddr *)&from, from_length);
			continue;
		}
		while (n > 0 && (message[n - 1] == '\n' || message[n - 1] == '\0'))
			n--;
		message[n] = '\0';
		text_escape(line, sizeof(line) - 1, message);
		size_t length = strlen(line);
		line[length] = '\n';
		if (write(log, line, length + 1) < 0)
			err(1, "cannot write to '%s'", argv[2]);
	}
}
