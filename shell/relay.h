/*
 * relay.h - wait for the command's end, and copy meanwhile what could not be handed over itself.
 *
 * One loop for every kind of session: with no stream it only waits and passes signals on; with a terminal it copies
 * between the host's and the inner one. A stream is one direction with one fixed buffer: it reads only
 * while there is room, so whoever writes too fast is made to wait by the kernel, and nothing grows.
 * It looks at no byte of what it copies. A notice of the keeper's goes behind what was read so far, if there is room.
 */
#ifndef CARREL_SHELL_RELAY_H
#define CARREL_SHELL_RELAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/wire.h"
#include "shell/agent.h"

#define RELAY_BUFFER  (64 * 1024)
#define RELAY_STREAMS 3

struct relay_stream {
	int from, to; /* owned; closed, and negative, when that side has ended */
	bool inward;  /* towards the sandbox: of no use once the command has ended. The others are drained */
	size_t start, end; /* the bytes read and not yet written */
	unsigned char data[RELAY_BUFFER];
};

struct relay {
	int socket;   /* to init, after WIRE_STARTED; borrowed */
	int signals;  /* a signalfd, or negative; borrowed */
	int terminal; /* the host's terminal, when `master` is the sandbox's; else negative. Both borrowed */
	int master;
	struct agent *agent; /* served in the same loop until the command has ended; borrowed; NULL: none */
	bool ended;	     /* the command has, or the sandbox */
	int64_t active;	     /* when something was last read, in milliseconds of fs_now_ms() */
	size_t count;
	struct relay_stream stream[RELAY_STREAMS];
};

/* A relay without streams. `socket` leads to init, `signals` is a signalfd; both stay the caller's to close. */
void relay_init(struct relay *relay, int socket, int signals);

/*
 * Copy from `from` to `to`, which become the relay's. The sandbox's end must be non-blocking. The host's should be: where
 * it is not, a reader that stalls also holds up the other direction.
 */
void relay_add(struct relay *relay, int from, int to, bool inward);

/*
 * Run until the command or the session has ended: 0 and the final message in *last. Output that was written by then has
 * been copied. Otherwise a signal number, when carrel-shell itself shall end by it (SIGHUP: the terminal hung up), or
 * -errno when init ended without a final message or said nonsense.
 *
 * Signals read from `signals` go to the command as WIRE_SIGNAL, except SIGWINCH, which sets the size of the
 * inner terminal, and, with a terminal, SIGHUP and SIGTERM, which end it.
 */
int relay_run(struct relay *relay, struct wire_message *last);

/* Close what the relay owns. */
void relay_clear(struct relay *relay);

#endif
