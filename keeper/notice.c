/* notice.c - see notice.h. Run by the keeper, as root, on the host. */
#include "notice.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/fs.h"
#include "core/text.h"

static int put(struct keeper *k, struct notice_message *message)
{
	/* One keeper, one session: a number that only ever grows. */
	static uint32_t serial;

	message->serial = ++serial ? serial : ++serial;
	if (k->sync_fd < 0)
		return -EPIPE;
	if (send(k->sync_fd, message, sizeof(*message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return -errno;
	return 0;
}

int notice_send(struct keeper *k, const char *fmt, ...)
{
	struct notice_message message = { .kind = NOTICE_SHOW };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message.text, sizeof(message.text), fmt, ap);
	va_end(ap);
	text_printable(message.text);
	return put(k, &message);
}

void notice_told(struct keeper *k, uint32_t serial)
{
	const struct notice_message message = { .kind = NOTICE_TOLD, .serial = serial };

	(void)send(k->sync_fd, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL);
}

int64_t notice_ask(struct keeper *k)
{
	struct notice_message message = { .kind = NOTICE_ASK };
	int r = put(k, &message);

	return r < 0 ? r : (int64_t)message.serial;
}

int notice_receive(struct keeper *k, uint32_t serial, struct activity *activity)
{
	struct notice_message message;
	ssize_t n = recv(k->sync_fd, &message, sizeof(message), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	if (n != (ssize_t)sizeof(message) || message.kind != NOTICE_ANSWER || message.serial != serial ||
	    message.activity.idle_ms < 0)
		return 0;
	*activity = message.activity;
	return 1;
}

/* Send, and wait for the answer to just this. */
static int exchange(struct keeper *k, struct notice_message *message, int timeout_ms,
		    struct activity *activity)
{
	int64_t deadline = fs_now_ms() + timeout_ms, left;
	int r = put(k, message);

	while (r == 0 && (left = deadline - fs_now_ms()) > 0) {
		struct pollfd p = { .fd = k->sync_fd, .events = POLLIN };
		if (poll(&p, 1, (int)left) > 0)
			r = notice_receive(k, message->serial, activity);
	}
	return r > 0 ? 0 : r < 0 ? r : -ETIMEDOUT;
}

int notice_count(struct keeper *k, int timeout_ms, struct activity *activity)
{
	struct notice_message message = { .kind = NOTICE_COUNT };

	return exchange(k, &message, timeout_ms, activity);
}

void notice_end(struct keeper *k, int timeout_ms, const char *text)
{
	struct notice_message message = { .kind = NOTICE_END };
	struct activity ignored;

	snprintf(message.text, sizeof(message.text), "%s", text);
	text_printable(message.text);
	(void)exchange(k, &message, timeout_ms,
		       &ignored); /* whoever has not heard it by then does not listen */
}
