/*
 * logsink.c - a syslog daemon for tests: writes what arrives on a datagram socket to a file.
 *
 *	logsink SOCKET FILE
 *
 * One line per datagram, as it came ("<38>sshd[7]: text"), with every byte outside printable ASCII as \xHH, so
 * that a test can count lines and see what a log injection tried. Runs until it is killed.
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

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: logsink SOCKET FILE");

	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	if (text_format(addr.sun_path, sizeof(addr.sun_path), "%s", argv[1]) < 0)
		errx(1, "the path '%s' is too long", argv[1]);
	int log = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (log < 0 || fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    chmod(argv[1], 0666) < 0)
		err(1, "cannot listen on '%s'", argv[1]);

	for (;;) {
		static char message[16384], line[4 * sizeof(message) + 2];
		ssize_t n = recv(fd, message, sizeof(message) - 1, 0);
		if (n < 0)
			err(1, "recv");
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
