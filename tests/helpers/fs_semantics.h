/* fs_semantics.h - what the cases of fs_semantics.c work with. */
#ifndef TESTS_FS_SEMANTICS_H
#define TESTS_FS_SEMANTICS_H

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define TRY(call)                      \
	do {                           \
		if ((call) < 0)        \
			return -errno; \
	} while (0)

/* Make a file with this content; its descriptor. */
static int put(const char *name, const char *text)
{
	int fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "cannot make '%s'", name);
	return fd;
}

static int holds(const char *name, const char *text)
{
	char buf[256];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

	if (n < 0)
		return -errno;
	buf[n] = '\0';
	close(fd);
	return strcmp(buf, text) == 0;
}

static struct stat look(const char *name)
{
	struct stat st = { 0 };

	(void)lstat(name, &st);
	return st;
}

#endif
