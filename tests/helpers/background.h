/* background.h - for helpers that serve: listen first, then let the caller go on. */
#ifndef TESTS_BACKGROUND_H
#define TESTS_BACKGROUND_H

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Bind and listen, and go on in a child; the caller's process ends when the socket can be connected to. */
static inline void listen_in_background(int fd, const struct sockaddr *at, socklen_t size, const char *name)
{
	if (bind(fd, at, size) < 0 || listen(fd, 16) < 0)
		err(1, "%s", name);
	pid_t pid = fork();
	if (pid != 0)
		exit(pid < 0);
	/* Let go of what the caller waits for the end of. */
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int i = 0; i <= STDERR_FILENO; i++)
		dup2(null, i);
}

#endif
