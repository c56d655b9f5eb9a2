/*
 * relay.c - see relay.h. Runs in carrel-shell, as the user, on the host.
 */
#include "shell/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "shell/stdio.h"

/*
 * After the end, at most so much more is read: above what a pty (640 KiB) or a pipe (1 MiB) can hold, so nothing that
 * the command wrote is lost, and a process it left behind cannot keep us here.
 */
#define DRAIN_MAX (2 * 1024 * 1024)
/* After the end, a reader that takes nothing for so long gets no more. */
#define DRAIN_STALL_MS 30000

void relay_init(struct relay *relay, int socket, int signals)
{
	relay->socket = socket;
	relay->signals = signals;
	relay->terminal = relay->master = -EBADF;
	relay->agent = NULL;
	relay->ended = false;
	relay->active = fs_now_ms();
	relay->count = 0;
}

void relay_add(struct relay *relay, int from, int to, bool inward)
{
	struct relay_stream *s = &relay->stream[relay->count++];

	s->from = from;
	s->to = to;
	s->inward = inward;
	s->start = s->end = 0;
}

void relay_clear(struct relay *relay)
{
	for (size_t i = 0; i < relay->count; i++) {
		close_fd(&relay->stream[i].from);
		close_fd(&relay->stream[i].to);
	}
	relay->count = 0;
}

static bool try_again(void)
{
	return errno == EAGAIN || errno == EINTR;
}

static bool stream_waiting(const struct relay_stream *s)
{
	return s->start < s->end;
}

/* Nothing more will come: the reader gets its end of file after the last byte. */
static void stream_finish(struct relay_stream *s)
{
	if (s->from < 0 && !stream_waiting(s))
		close_fd(&s->to);
}

/* Read what there is. Returns how much; 0 for nothing now; -EIO at the end. */
static ssize_t stream_fill(struct relay_stream *s)
{
	ssize_t n = read(s->from, s->data + s->end, RELAY_BUFFER - s->end);

	if (n < 0 && try_again())
		return 0;
	if (n <= 0) { /* a pty says EIO where a pipe says end of file */
		close_fd(&s->from);
		stream_finish(s);
		return -EIO;
	}
	s->end += (size_t)n;
	return n;
}

/* Write what the other side takes. 0, or -EIO when it is gone: then the stream is over. */
static int stream_flush(struct relay_stream *s)
{
	ssize_t n = write(s->to, s->data + s->start, s->end - s->start);

	if (n < 0 && !try_again()) {
		s->start = s->end = 0;
		close_fd(&s->from); /* who writes there gets SIGPIPE, as if it held `to` itself */
		close_fd(&s->to);
		return -EIO;
	}
	s->start += n > 0 ? (size_t)n : 0;
	if (!stream_waiting(s))
		s->start = s->end = 0;
	stream_finish(s);
	return 0;
}

/* Bring the inner terminal to the size of the outer one; the kernel tells its programs. */
static void copy_size(const struct relay *relay)
{
	struct winsize size;

	if (relay->terminal >= 0 && ioctl(relay->terminal, TIOCGWINSZ, &size) == 0)
		(void)ioctl(relay->master, TIOCSWINSZ, &size);
}

/* A word to init. One that it does not take is dropped: waiting for init would stop the relay. */
static void tell(const struct relay *relay, uint32_t kind, int value)
{
	struct wire_message message = { .kind = kind, .value = value };
	struct pollfd writable = { .fd = relay->socket, .events = POLLOUT };

	if (poll(&writable, 1, 0) == 1)
		(void)wire_send(relay->socket, &message, sizeof(message), NULL, 0);
}

/* Handle one signal. Returns it when it is one to end by, else 0. */
static int take_signal(const struct relay *relay)
{
	struct signalfd_siginfo info;

	if (read(relay->signals, &info, sizeof(info)) != sizeof(info))
		return 0;
	int sig = (int)info.ssi_signo;
	if (sig == SIGWINCH) {
		copy_size(relay);
		return 0;
	}
	if (relay->ended || (relay->terminal >= 0 && (sig == SIGHUP || sig == SIGTERM)))
		return sig;
	tell(relay, WIRE_SIGNAL, sig);
	return 0;
}

/* A line for the user. Where there is no room for it now, whoever should read it reads nothing: it is dropped. */
static void show(struct relay *relay, const char *text)
{
	char line[WIRE_TEXT_MAX + 16];

	if (relay->terminal < 0)
		stdio_notice(text);
	int n = snprintf(line, sizeof(line), "\r\ncarrel: %s\r\n", text);
	for (size_t i = 0; relay->terminal >= 0 && i < relay->count; i++) {
		struct relay_stream *s = &relay->stream[i];
		if (s->inward || s->to < 0 || RELAY_BUFFER - s->end < (size_t)n)
			continue;
		memcpy(s->data + s->end, line, (size_t)n);
		s->end += (size_t)n;
	}
}

static void tell_idle(const struct relay *relay)
{
	int64_t idle = fs_now_ms() - relay->active;

	tell(relay, WIRE_IDLE, idle < INT32_MAX ? (int)idle : INT32_MAX);
}

/* Read init's message. 1 when it is the final one, else 0 or -errno. */
static int take_message(struct relay *relay, struct wire_message *last)
{
	int ret = wire_receive(relay->socket, last, sizeof(*last), NULL, NULL);

	if (ret < 0)
		return ret;
	last->text[sizeof(last->text) - 1] = '\0';
	text_printable(last->text);
	switch (last->kind) {
	case WIRE_EXITED:
	case WIRE_SIGNALED:
	case WIRE_FAILED:
	case WIRE_ENDED:
		return 1;
	case WIRE_NOTICE:
		show(relay, last->text);
		return 0;
	case WIRE_ASK:
		tell_idle(relay);
		return 0;
	default:
		return -EPROTO;
	}
}

/*
 * Copy what was ready. Returns SIGHUP when the host's side of a terminal session is gone: the user is, then.
 * Without a terminal an end is only the end of that stream.
 */
static int move(struct relay *relay, struct relay_stream *s, short from_ready, short to_ready)
{
	bool outer_gone = false;

	if (to_ready && stream_flush(s) < 0)
		outer_gone = !s->inward;
	ssize_t n = from_ready && s->from >= 0 ? stream_fill(s) : 0;
	if (n > 0)
		relay->active = fs_now_ms();
	if (n < 0)
		outer_gone = outer_gone || s->inward;
	return outer_gone && relay->terminal >= 0 ? SIGHUP : 0;
}

/* What to wait for. A descriptor nothing is wanted from is left out, or its POLLHUP would turn this into a busy loop. */
static nfds_t watch(const struct relay *relay, struct pollfd *p)
{
	nfds_t n = 0;

	p[n++] = (struct pollfd){ .fd = relay->socket, .events = POLLIN };
	p[n++] = (struct pollfd){ .fd = relay->signals, .events = POLLIN };
	for (size_t i = 0; i < relay->count; i++) {
		const struct relay_stream *s = &relay->stream[i];
		p[n++] = (struct pollfd){ .fd = s->end < RELAY_BUFFER ? s->from : -1, .events = POLLIN };
		p[n++] = (struct pollfd){ .fd = stream_waiting(s) ? s->to : -1, .events = POLLOUT };
	}
	return n;
}

/* Wait until `s` can be written. False when it should not be waited for any longer. */
static bool drain_wait(const struct relay *relay, const struct relay_stream *s)
{
	for (;;) {
		struct pollfd p[] = { { .fd = s->to, .events = POLLOUT },
				      { .fd = relay->signals, .events = POLLIN } };
		int n = poll(p, ARRAY_SIZE(p), DRAIN_STALL_MS);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || (p[1].revents && take_signal(relay)))
			return false;
		if (p[0].revents)
			return true;
	}
}

/* Copy the rest of one stream. Its `from` is non-blocking, so "nothing now" is the end. */
static void drain_stream(const struct relay *relay, struct relay_stream *s)
{
	size_t budget = DRAIN_MAX;

	while (s->to >= 0) {
		if (stream_waiting(s)) {
			if (!drain_wait(relay, s) || stream_flush(s) < 0)
				return;
			continue;
		}
		ssize_t n = s->from >= 0 && budget >= RELAY_BUFFER ? stream_fill(s) : 0;
		if (n <= 0)
			return;
		budget -= (size_t)n;
	}
}

/*
 * The command has ended; what it wrote may still be in the pty or pipe. For a pty the kernel first delivers what is
 * under way, then says that there is nothing, so no output is missed.
 */
static void drain(struct relay *relay)
{
	relay->ended = true;
	for (size_t i = 0; i < relay->count; i++) {
		if (!relay->stream[i].inward)
			drain_stream(relay, &relay->stream[i]);
	}
}

int relay_run(struct relay *relay, struct wire_message *last)
{
	copy_size(relay); /* it may have changed since the request */
	for (;;) {
		struct pollfd p[2 + 2 * RELAY_STREAMS + AGENT_POLLFDS];
		nfds_t own = watch(relay, p);
		nfds_t agents = relay->agent ? agent_watch(relay->agent, p + own) : 0;

		if (poll(p, own + agents, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		int sig = p[1].revents ? take_signal(relay) : 0;
		for (size_t i = 0; !sig && i < relay->count; i++)
			sig = move(relay, &relay->stream[i], p[2 + 2 * i].revents, p[3 + 2 * i].revents);
		if (sig)
			return sig;
		if (relay->agent)
			agent_move(relay->agent, p + own);
		int ret = p[0].revents ? take_message(relay, last) : 0;
		if (ret) {
			drain(relay);
			return ret < 0 ? ret : 0;
		}
	}
}
