/* log.c - see log.h. */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"

#define WAIT_MS 300 /* for a syslog daemon that has no room */

int log_connect(void)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };

	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return steal_fd(&fd);
}

int log_open_kernel(void)
{
	_cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		return -errno;
	return steal_fd(&fd);
}

void log_escaped(const char *tag, int priority, const char *text)
{
	char line[1200];
	int n = snprintf(line, sizeof(line), "<%d>%s[%d]: %.1023s", LOG_AUTHPRIV | priority, tag, getpid(),
			 text);

	_cleanup_close_ int fd = log_connect();
	if (fd < 0 || n <= 0)
		return;
	struct pollfd room = { .fd = fd, .events = POLLOUT };
	/* The kernel keeps as few as ten messages for a daemon that is busy, when many sessions end at once, say. */
	while (send(fd, line, (size_t)n, MSG_NOSIGNAL) < 0 && (errno == EAGAIN || errno == EINTR))
		if (poll(&room, 1, WAIT_MS) <= 0)
			break;
}

void log_send(const char *tag, int priority, const char *fmt, ...)
{
	char message[1024], safe[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	log_escaped(tag, priority, text_escape(safe, sizeof(safe), message));
}
