/* init_send.c - send what must not get lost when the session's memory is full, see init_serve.h. Run by init. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "core/fs.h"
#include "init_serve.h"

/* In all, until something was sent again: init has others to serve. */
#define PATIENCE_MS 100
#define STEP_MS	    2

int init_send(int fd, const void *message, size_t size)
{
	static int64_t give_up; /* 0: the last message found memory */

	for (;;) {
		ssize_t n = send(fd, message, size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			give_up = 0;
			return (size_t)n == size ? 0 : -EIO;
		}
		if (errno != ENOMEM && errno != ENOBUFS)
			return -errno;
		if (!give_up)
			give_up = fs_now_ms() + PATIENCE_MS;
		if (fs_now_ms() >= give_up)
			return -ENOMEM;
		poll(NULL, 0, STEP_MS);
	}
}
