/* supervise.c - see supervise.h. Run by the keeper, as root, on the host. */
#include "supervise.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "control.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/wire.h"
#include "guard.h"
#include "limits.h"

/* One keeper, one session. Not in struct keeper, which init inherits a copy of. */
static struct {
	struct source list[SOURCES_MAX];
	size_t count;
} sources;

struct source *supervise_add(struct keeper *k, const struct source *source)
{
	if (sources.count == SOURCES_MAX)
		return NULL;
	sources.list[sources.count] = *source;
	return &sources.list[sources.count++];
}

static enum ending init_died(struct keeper *k, struct source *self, short revents)
{
	return ENDING_INIT;
}

static enum ending opener_died(struct keeper *k, struct source *self, short revents)
{
	return ENDING_OPENER;
}

static enum ending told_to_stop(struct keeper *k, struct source *self, short revents)
{
	return ENDING_SIGNAL;
}

/* Milliseconds until the first source is due, as poll takes them. */
static int patience(void)
{
	int64_t first = SOURCE_NEVER;

	for (size_t i = 0; i < sources.count; i++) {
		if (sources.list[i].due < first)
			first = sources.list[i].due;
	}
	if (first == SOURCE_NEVER)
		return -1;
	int64_t left = first - fs_now_ms();
	return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

/* Run what is ready. All of it, so that what is told of the end is complete. */
static enum ending run_ready(struct keeper *k, const struct pollfd *fds, size_t count)
{
	enum ending first = ENDING_NONE;
	int64_t now = fs_now_ms();

	for (size_t i = 0; i < count; i++) {
		struct source *s = &sources.list[i];
		enum ending ending = ENDING_NONE;
		if (fds[i].revents) {
			ending = s->run(k, s, fds[i].revents);
		} else if (now >= s->due) {
			s->due = SOURCE_NEVER;
			ending = s->run(k, s, 0);
		}
		if (first == ENDING_NONE)
			first = ending;
	}
	return first;
}

void supervise_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
}

static int watch_signals(void)
{
	sigset_t stop;

	supervise_signals(&stop);
	return signalfd(-1, &stop, SFD_CLOEXEC);
}

static void add(struct keeper *k, int fd, enum ending (*run)(struct keeper *, struct source *, short))
{
	const struct source source = { .fd = fd, .events = POLLIN, .due = SOURCE_NEVER, .run = run };

	supervise_add(k, &source);
}

enum ending supervise(struct keeper *k)
{
	_cleanup_close_ int signals = watch_signals();
	enum ending ending = ENDING_NONE;

	add(k, k->init_pidfd, init_died);
	add(k, WIRE_OPENER_FD, opener_died);
	add(k, signals, told_to_stop);
	add(k, k->control_fd, control_serve);
	guard_start(k);
	limits_start(k);
	while (ending == ENDING_NONE) {
		struct pollfd fds[SOURCES_MAX];
		size_t count = sources.count;
		for (size_t i = 0; i < count; i++)
			fds[i] = (struct pollfd){ .fd = sources.list[i].fd,
						  .events = sources.list[i].events };
		int n = poll(fds, count, patience());
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return ENDING_SIGNAL;
		ending = run_ready(k, fds, count);
	}
	return ending;
}
