/*
 * stdio.h - which descriptors the command gets as its 0, 1 and 2, and what stays with carrel-shell.
 *
 * A command without a terminal gets sshd's own pipes: nothing is copied, and half-close, background processes and binary
 * data behave as with a plain shell. A terminal of the host is never handed in: when 0 and 1 are terminals the session
 * gets one of the sandbox's, when only some are, a pipe stands in for each, as it does for any other device.
 */
#ifndef CARREL_SHELL_STDIO_H
#define CARREL_SHELL_STDIO_H

#include <stdbool.h>

#include "core/error.h"
#include "core/wire.h"
#include "shell/relay.h"

struct stdio {
	bool terminal;
	int give[3];  /* for the sandbox; owned */
	int outer[3]; /* a terminal or device behind a pipe, for the relay; negative: none; owned */
	int inner[3]; /* our end of that pipe; owned */
};

/*
 * Before anything else: 0, 1 and 2 are open (/dev/null where they were not, so that no later descriptor becomes one of them
 * unseen), all others are closed. 0 or -errno.
 */
int stdio_sanitize(void);

/* Decide, and make the pipes. 0 or -errno with a message: then only the end of the process releases it. */
int stdio_plan(struct stdio *stdio, struct carrel_error *err);

/* Put the outer terminal's modes and size into the request. */
int stdio_describe_terminal(struct wire_request *head, struct carrel_error *err);

/*
 * The sandbox has its descriptors: let go of ours, so that a reader sees the end of file when the command closes its
 * output. 2 stays until stdio_started, for a line that says why the command could not be started.
 */
void stdio_handed_over(struct stdio *stdio);

/* The command runs: put 2 aside, if it was handed over, for what there is to say later. */
void stdio_started(const struct stdio *stdio);

/* Give the streams of this session to the relay; with a terminal, `master` is the inner one's. 0 or -errno. */
int stdio_relay(struct stdio *stdio, int master, struct relay *relay, struct carrel_error *err);

/* "carrel: <message>" on stderr, everything unprintable escaped. Waits a few seconds for a reader who reads nothing. */
void stdio_complain(const char *message);

/* The same of a printable text, while the command runs: not at all if that would have to wait. */
void stdio_notice(const char *text);

#endif
