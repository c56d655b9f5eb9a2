/*
 * supervise.h - wait for the end of a session, whoever ends it, and for whatever else happens until then.
 */
#ifndef CARREL_SUPERVISE_H
#define CARREL_SUPERVISE_H

#include <signal.h>
#include <stdint.h>

#include "keeper.h"

/* How a session ended; from ENDING_INIT on it should not have ended so, and syslog has it as a warning. */
enum ending {
	ENDING_NONE,	 /* it goes on */
	ENDING_LOGOUT,	 /* the login ended, and every command had before */
	ENDING_CUT_OFF,	 /* the login ended while a command ran: the connection was lost or closed */
	ENDING_OPENER,	 /* the process that opened the session died without a word */
	ENDING_ADMIN,	 /* an administrator asked for it */
	ENDING_SIGNAL,	 /* the keeper was told to stop by a signal */
	ENDING_IDLE,	 /* session.idle */
	ENDING_LIFETIME, /* session.lifetime */
	ENDING_INIT,	 /* init died */
	ENDING_MEMORY,	 /* init was killed because the session was out of memory */
	ENDING_KEEPER,	 /* the keeper was killed: told by whoever clears away what it left */
};

#define SOURCE_NEVER INT64_MAX
#define SOURCES_MAX  16

/* Something to wait for: a descriptor, a time, or both. */
struct source {
	int fd;	      /* borrowed; negative: none */
	short events; /* as poll takes them; 0: none for now */
	int64_t due;  /* in milliseconds of fs_now_ms(), when `run` is called anyway; SOURCE_NEVER */
	/*
	 * Called with what poll said, or with 0 and `due` reset to SOURCE_NEVER when the time has come. Must not wait. May
	 * change what it waits for. ENDING_NONE: the session goes on.
	 */
	enum ending (*run)(struct keeper *k, struct source *self, short revents);
};

/*
 * Add a source, before supervise(); its place stays the same, so that others may change its `due`. NULL when there are
 * SOURCES_MAX, which is a mistake of the program. Sources run in the order in which they were added, all that are
 * ready before the session ends.
 */
struct source *supervise_add(struct keeper *k, const struct source *source);

/*
 * The signals that tell a keeper to stop. Blocked from its start: a session that is being opened when one comes (systemd stops the
 * scope) is opened, and then ended as any other, by supervise().
 */
void supervise_signals(sigset_t *set);

/*
 * Returns when a source ends the session; supervise itself watches init, the process that opened the session (by its pidfd:
 * a killed sshd leaves nothing behind), signals, and the control socket (control.h).
 */
enum ending supervise(struct keeper *k);

#endif
