/*
 * wire.c - see wire.h. Whole messages over a Unix socket, with descriptors. Used by carrel-shell (unprivileged)
 * and by init (uid 0 of the sandbox); neither end trusts the other's counts.
 */
#include "wire.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define WIRE_FDS_MAX 8

/* Room for the header and WIRE_FDS_MAX descriptors, aligned as CMSG_* want it. */
union control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
};

int wire_send(int fd, const void *data, size_t size, const int *fds, size_t count)
{
	union control control = { 0 };
	const char *next = data;

	/* A stream carries descriptors only beside a byte. */
	if (count > WIRE_FDS_MAX || (count && !size))
		return -EINVAL;
	while (size) {
		struct iovec piece = { .iov_base = (char *)next, .iov_len = size };
		struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

		if (count) {
			message.msg_control = control.bytes;
			message.msg_controllen = CMSG_SPACE(count * sizeof(int));
			struct cmsghdr *head = CMSG_FIRSTHDR(&message);
			head->cmsg_level = SOL_SOCKET;
			head->cmsg_type = SCM_RIGHTS;
			head->cmsg_len = CMSG_LEN(count * sizeof(int));
			memcpy(CMSG_DATA(head), fds, count * sizeof(int));
		}
		ssize_t n = sendmsg(fd, &message, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		count = 0;
		next += n;
		size -= (size_t)n;
	}
	return 0;
}

/*
 * Move the descriptors of one received piece to fds[*count], at most `room` in all. False when there were more: those
 * are closed here, or were never installed (MSG_CTRUNC).
 */
static bool take_fds(struct msghdr *message, int *fds, size_t *count, size_t room)
{
	bool fits = !(message->msg_flags & MSG_CTRUNC);

	for (struct cmsghdr *head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		size_t n = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;
			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(fd));
			if (*count < room) {
				fds[(*count)++] = fd;
			} else {
				close(fd);
				fits = false;
			}
		}
	}
	return fits;
}

/* wire_receive without its promise to close everything on failure. */
static int receive_all(int fd, char *data, size_t size, int *fds, size_t *count, size_t room)
{
	size_t done = 0;

	while (done < size) {
		union control control;
		struct iovec piece = { .iov_base = data + done, .iov_len = size - done };
		struct msghdr message = { .msg_iov = &piece,
					  .msg_iovlen = 1,
					  .msg_control = control.bytes,
					  .msg_controllen = sizeof(control.bytes) };
		ssize_t n = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!take_fds(&message, fds, count, room))
			return -EPROTO;
		if (n == 0)
			return done ? -EPROTO : -ECONNRESET;
		done += (size_t)n;
	}
	return 0;
}

int wire_receive(int fd, void *data, size_t size, int *fds, size_t *count)
{
	size_t got = 0;
	int ret = receive_all(fd, data, size, fds, &got, fds && count ? *count : 0);

	while (ret < 0 && fds && got)
		close(fds[--got]);
	if (count)
		*count = got;
	return ret;
}
