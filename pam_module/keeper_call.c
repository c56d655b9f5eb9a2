/* keeper_call.c - see keeper_call.h. Runs inside sshd's monitor (or login, su …), as root. */
#include "keeper_call.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>

#include "core/cleanup.h"
#include "keeper_start.h"

int64_t clock_ms(void)
{
	struct timespec now = { 0 };

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int wait_readable(int fd, int64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - clock_ms();
		int n = poll(&p, 1, left <= 0 ? 0 : left < INT_MAX ? (int)left : INT_MAX);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0 && left <= 0)
			return -ETIMEDOUT;
	}
}

void keeper_failed(struct keeper_answer *answer, const char *what, int error)
{
	answer->word = KEEPER_FAILED;
	if (error)
		snprintf(answer->text, sizeof(answer->text), "%s: %s", what, strerror(error));
	else
		snprintf(answer->text, sizeof(answer->text), "%s", what);
	answer->detail = "";
	answer->log = answer->text;
}

/*
 * Take the descriptors out of a message: one is kept in *fd, of more none. Returns how many there were.
 */
static size_t take_descriptors(struct msghdr *message, int *fd)
{
	size_t seen = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			close_fd(fd);
			memcpy(fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			seen++;
		}
	}
	if (seen > 1)
		close_fd(fd);
	return seen;
}

/* The line at *text, ended here; *text moves to the next. "" when there is none. */
static const char *next_line(char **text)
{
	char *line = *text, *end = strchr(line, '\n');

	*text = end ? end + 1 : line + strlen(line);
	if (end)
		*end = '\0';
	return line;
}

/* Understand answer->text. False: it is none of the words. */
static bool parse_answer(struct keeper_answer *answer)
{
	static const struct {
		const char *text;
		enum keeper_word word;
	} words[] = {
		{ "READY", KEEPER_READY },
		{ "IGNORE", KEEPER_IGNORE },
		{ "REFUSE", KEEPER_REFUSE },
		{ "GONE", KEEPER_GONE },
	};
	char *rest = answer->text;
	const char *first = next_line(&rest);

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(first, words[i].text) != 0)
			continue;
		answer->word = words[i].word;
		answer->detail = next_line(&rest);
		answer->log = next_line(&rest);
		return true;
	}
	return false;
}

/* An answer of the wrong form: whoever was told READY or REFUSE is covered all the same. */
static void distrust_answer(struct keeper_answer *answer)
{
	const bool covered = answer->word == KEEPER_READY || answer->word == KEEPER_REFUSE;

	keeper_failed(answer, "the keeper's answer has the wrong form", 0);
	if (covered)
		answer->word = KEEPER_REFUSE;
}

/* The one datagram, taken apart. */
static void receive_answer(int fd, struct keeper_answer *answer)
{
	/* Room for one descriptor more than is right, so that a second one is seen. */
	union {
		char bytes[CMSG_SPACE(2 * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { .iov_base = answer->text, .iov_len = WIRE_ANSWER_MAX };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct start_error start;

	ssize_t size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	if (size < 0)
		return keeper_failed(answer, "cannot receive the keeper's answer", errno);
	size_t descriptors = take_descriptors(&message, &answer->netns_fd);
	if (size == 0)
		return keeper_failed(answer, "the keeper ended without an answer", 0);
	answer->text[size] = '\0';
	if ((size_t)size == sizeof(start) &&
	    memcmp(answer->text, START_ERROR_WORD, sizeof(start.word)) == 0) {
		memcpy(&start, answer->text, sizeof(start));
		start_error_text(&start, answer->text, sizeof(answer->text));
		answer->log = answer->text;
		return;
	}
	if (strlen(answer->text) != (size_t)size || !parse_answer(answer))
		return keeper_failed(answer, "the keeper's answer cannot be understood", 0);
	if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || descriptors > 1)
		distrust_answer(answer);
}

void keeper_ask(const char *const argv[], int64_t deadline, struct keeper_answer *answer)
{
	int pair[2];

	*answer = (struct keeper_answer){
		.word = KEEPER_FAILED, .netns_fd = -EBADF, .detail = "", .log = ""
	};
	_cleanup_close_ int opener = (int)syscall(SYS_pidfd_open, getpid(), 0);
	if (opener < 0)
		return keeper_failed(answer, "cannot open a pidfd of this process", errno);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return keeper_failed(answer, "cannot make a socket for the keeper", errno);
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	int r = keeper_start(argv, theirs, opener);
	if (r < 0)
		return keeper_failed(answer, "cannot fork to start the keeper", -r);
	/* From here the end of the keeper is the end of the connection. */
	close_fd(&theirs);
	r = wait_readable(ours, deadline);
	if (r == -ETIMEDOUT)
		return keeper_failed(answer, "the keeper did not answer in time", 0);
	if (r < 0)
		return keeper_failed(answer, "cannot wait for the keeper", -r);
	receive_answer(ours, answer);
	if (answer->word != KEEPER_READY)
		close_fd(&answer->netns_fd);
}
