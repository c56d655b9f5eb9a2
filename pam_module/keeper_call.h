/*
 * keeper_call.h - how the module speaks with carrel-keeper (core/wire.h, sections 1 and 2).
 *
 * Both wait until `deadline`, a time of clock_ms(), and leave the process as they found it: no child to
 * reap, no descriptor, no change to signals, umask, directory or environment.
 */
#ifndef CARREL_PAM_KEEPER_CALL_H
#define CARREL_PAM_KEEPER_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"

enum keeper_word {
	KEEPER_FAILED, /* no usable answer: it could not be started, crashed, is late or talks nonsense */
	KEEPER_READY,
	KEEPER_IGNORE,
	KEEPER_REFUSE,
	KEEPER_GONE,
};

struct keeper_answer {
	enum keeper_word word;
	int netns_fd;	    /* READY only: close it; -EBADF when none came */
	const char *detail; /* READY: the session id; IGNORE: the reason; REFUSE: the line for the user */
	const char *log;    /* REFUSE: the line for the log; FAILED: what happened. Never NULL */
	char text[WIRE_ANSWER_MAX + 1];
};

/* Milliseconds on a clock that nobody sets. */
int64_t clock_ms(void);

/*
 * Wait until `fd` can be read or its other end is closed; the program's signals may interrupt meanwhile.
 * 0, -ETIMEDOUT, or -errno.
 */
int wait_readable(int fd, int64_t deadline);

/*
 * Run carrel-keeper with `argv` (argv[0] included, ends with NULL) and wait for its one answer. Always
 * fills *answer. A keeper that is late is told to undo everything by the end of the connection.
 */
void keeper_ask(const char *const argv[], int64_t deadline, struct keeper_answer *answer);

/* Make *answer a KEEPER_FAILED that says `what`, and after it what the errno `error` means unless it is 0. */
void keeper_failed(struct keeper_answer *answer, const char *what, int error);

/*
 * (keeper_end.c) Have the session `id` (already validated) ended and removed: by its keeper, or, when that was killed, by
 * another one. 0 when nothing of it is left, else -errno and one line in `why`.
 */
int keeper_end(const char *id, int64_t deadline, char *why, size_t size);

#endif
