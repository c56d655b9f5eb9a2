/* progress.c - see progress.h. */
#include "progress.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/units.h"

#define TICK_MS	    200
#define POLLERS_MAX 3

int progress_start(struct progress *progress, const char *interrupted, struct carrel_error *err)
{
	progress->interrupted = interrupted;
	sigemptyset(&progress->signals);
	sigaddset(&progress->signals, SIGINT);
	sigaddset(&progress->signals, SIGTERM);
	sigaddset(&progress->signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &progress->signals, &progress->old_signals) < 0)
		return error_errno(err, "cannot block signals");
	progress->signal_fd = signalfd(-1, &progress->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	if (progress->signal_fd >= 0)
		return 0;
	int r = error_errno(err, "cannot make a signalfd");
	(void)sigprocmask(SIG_SETMASK, &progress->old_signals, NULL);
	return r;
}

int progress_check(struct progress *progress, struct carrel_error *err)
{
	struct signalfd_siginfo info;

	if (!progress->signal && read(progress->signal_fd, &info, sizeof(info)) == sizeof(info))
		progress->signal = (int)info.ssi_signo;
	return progress->signal ? error_set(err, EINTR, "%s", progress->interrupted) : 0;
}

int progress_wait(struct progress *progress, struct pollfd *pollers, unsigned count, struct carrel_error *err)
{
	struct pollfd all[POLLERS_MAX + 1] = { { .fd = progress->signal_fd, .events = POLLIN } };

	if (count > POLLERS_MAX)
		return error_set(err, EINVAL, "too many descriptors to wait for");
	memcpy(all + 1, pollers, count * sizeof(*pollers));
	int ready = poll(all, count + 1, TICK_MS);
	if (ready < 0 && errno != EINTR)
		return error_errno(err, "cannot wait");
	int r = progress_check(progress, err);
	if (r < 0)
		return r;
	memcpy(pollers, all + 1, count * sizeof(*pollers));
	return ready < 0 ? 0 : ready;
}

void progress_step(struct progress *progress, const char *fmt, ...)
{
	va_list ap;

	progress_clear(progress);
	va_start(ap, fmt);
	(void)vsnprintf(progress->what, sizeof(progress->what), fmt, ap);
	va_end(ap);
}

/* Again only when it says something else. */
static void show(struct progress *progress, int shown, const char *how_far)
{
	if (shown == progress->shown || !isatty(STDERR_FILENO))
		return;
	progress->shown = shown;
	fprintf(stderr, "\r%s: %4s\033[K", progress->what, how_far);
	(void)fflush(stderr);
}

void progress_show(struct progress *progress, uint64_t done, uint64_t total)
{
	char text[16];

	if (!total)
		return;
	int percent = done >= total ? 100 : (int)((double)done * 100 / (double)total);
	(void)snprintf(text, sizeof(text), "%3d%%", percent);
	show(progress, percent, text);
}

void progress_show_bytes(struct progress *progress, uint64_t done)
{
	char text[32];

	show(progress, (int)(done >> 16 & INT_MAX), unit_format_about_size(text, sizeof(text), done));
}

void progress_clear(struct progress *progress)
{
	if (progress->shown < 0)
		return;
	progress->shown = -1;
	fputs("\r\033[K", stderr);
	(void)fflush(stderr);
}

void progress_end(struct progress *progress)
{
	progress_clear(progress);
	if (progress->signal_fd < 0)
		return;
	(void)sigprocmask(SIG_SETMASK, &progress->old_signals, NULL);
	close_fd(&progress->signal_fd);
	if (progress->signal)
		(void)raise(progress->signal);
}
