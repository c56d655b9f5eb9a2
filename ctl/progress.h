/*
 * progress.h - long work: signals are taken between its steps, and a terminal sees how far it is.
 */
#ifndef CARREL_CTL_PROGRESS_H
#define CARREL_CTL_PROGRESS_H

#include <poll.h>
#include <signal.h>
#include <stdint.h>

#include "core/error.h"

struct progress {
	int signal_fd;
	sigset_t signals, old_signals;
	int signal;		 /* the one that interrupted, or 0 */
	const char *interrupted; /* what that means: "interrupted; nothing was imported" */
	char what[160];		 /* "importing alpine" */
	int shown;		 /* what is on the terminal: a percentage, or bytes in 64 KiB; or -1 */
};

#define PROGRESS_NONE                             \
	{                                         \
		.signal_fd = -EBADF, .shown = -1, \
	}

/* From here on SIGINT, SIGTERM and SIGHUP are read from a descriptor, so that what was begun is put away first. */
int progress_start(struct progress *progress, const char *interrupted, struct carrel_error *err);

/* -EINTR when there was a signal. */
int progress_check(struct progress *progress, struct carrel_error *err);

/* Wait a short while for one of these (poll(2), at most 3). How many are ready, 0 in between, -EINTR, -errno. */
int progress_wait(struct progress *progress, struct pollfd *pollers, unsigned count,
		  struct carrel_error *err);

/* On a terminal: the name of the step, then how far it is, then an empty line again. */
void progress_step(struct progress *progress, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void progress_show(struct progress *progress, uint64_t done, uint64_t total);
void progress_show_bytes(struct progress *progress, uint64_t done); /* of who knows how many */
void progress_clear(struct progress *progress);

/*
 * To be called when everything is put away. If a signal came meanwhile, the program now dies by it, so that whoever started it sees the
 * same as if the signal had not been held back.
 */
void progress_end(struct progress *progress);

#endif
