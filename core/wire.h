/*
 * wire.h - what the programs say to each other. All on one machine, one build: host byte order.
 *
 * 1. pam_carrel.so -> carrel-keeper (argv) and back (one datagram)
 *
 *	carrel-keeper open USER --conf=FILE --timeout=SECONDS [--service=S] [--rhost=H] [--tty=T] [--debug]
 *
 *    Descriptor 3 is a SOCK_SEQPACKET socket for the one answer, descriptor 4 a pidfd of the process
 *    that opened the session; 0, 1, 2 are /dev/null, everything else is closed, the environment empty.
 *    The answer is one datagram of at most WIRE_ANSWER_MAX bytes, lines separated by '\n', no NUL:
 *
 *	READY\n<session id>                     sandbox is up. With one SCM_RIGHTS descriptor when the module
 *	                                        shall join that network namespace
 *	IGNORE\n<reason>                        not covered; the keeper has exited
 *	REFUSE\n<line for the user>\n<line for the log>
 *
 *    The connection stays open no longer than the answer: the module closes its end after one message.
 *    An end that closes before the answer tells the keeper to undo everything.
 *
 *	carrel-keeper close ID                  removes what a killed keeper left of the session. Same
 *	                                        descriptor 3; answers "GONE\n", or REFUSE
 *
 * 2. pam_carrel.so, carrelctl -> keeper: CARREL_SESSIONS/ID/control, SOCK_SEQPACKET, root only (0600).
 *    One datagram, one of the words below; the answer is one datagram, or end of file when the keeper has
 *    ended (which for CONTROL_CLOSE and CONTROL_KILL is the good answer: everything is gone by then). An answer that
 *    begins with CONTROL_ERROR says what was wrong.
 *
 * 3. carrel-shell -> init: CARREL_SESSIONS/ID/socket, SOCK_STREAM, owner the user, 0600.
 *    A struct wire_request, with three SCM_RIGHTS descriptors (0, 1, 2) attached to its first byte, then
 *    `size` bytes: argc strings, envc strings "NAME=value" and the working directory, each with its NUL.
 *    With WIRE_TERMINAL the three descriptors are /dev/null: the pty is init's own. Without it none of
 *    them is ever a terminal of the host.
 *    From then on both sides send struct wire_message.
 *
 * What the keeper and init say to each other is in keeper/notice.h.
 */
#ifndef CARREL_WIRE_H
#define CARREL_WIRE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "error.h"

#define WIRE_ANSWER_FD	3
#define WIRE_OPENER_FD	4
#define WIRE_ANSWER_MAX 2048

#define CONTROL_CLOSE "close" /* the login ended: hang up and remove everything */
#define CONTROL_KILL  "kill"  /* the same, asked by an administrator */

/*
 * "rules idle=MS lifetime=MS warn=MS" with any of the three, in milliseconds or "off": session.idle, session.lifetime and
 * session.warn of this session from now on. Answered by CONTROL_DONE.
 */
#define CONTROL_RULES  "rules"
#define CONTROL_STATUS "status" /* answered by the lines of struct session_status (session.h) */
#define CONTROL_DONE   "done"
#define CONTROL_ERROR  "error: "
#define CONTROL_MAX    4096

#define WIRE_MAGIC	 0x4c525243u /* "CRRL" */
#define WIRE_PAYLOAD_MAX (256 * 1024)
#define WIRE_STRINGS_MAX 4096

/* An environment entry of carrel-shell's own: the X11 cookie that belongs to DISPLAY, hexadecimal. */
#define WIRE_COOKIE "CARREL_COOKIE"

struct wire_request {
	uint32_t magic;
	uint32_t size; /* bytes of strings that follow, at most WIRE_PAYLOAD_MAX */
	uint32_t argc; /* see WIRE_LOGIN: argv of the inner shell after its name, e.g. "-c", "ls" */
	uint32_t envc;
	uint32_t flags;		/* enum wire_flags */
	struct winsize window;	/* with WIRE_TERMINAL */
	struct termios termios; /* with WIRE_TERMINAL: the outer terminal's modes before it was made raw */
};

enum wire_flags {
	WIRE_TERMINAL = 1 << 0, /* wants a pty of the sandbox; its master comes back with WIRE_STARTED */
	WIRE_LOGIN = 1 << 1,	/* the inner shell is a login shell (argv[0] starts with '-') */
	WIRE_AGENT =
		1 << 2, /* there is an agent to relay to; a listening socket comes back with WIRE_STARTED */
};

enum wire_kind {
	WIRE_STARTED =
		1, /* init: the command runs. value: WIRE_TERMINAL and WIRE_AGENT, as far as granted, for the
			     descriptors attached, in that order: the pty's master, the agent's listener */
	WIRE_EXITED,   /* init: value is the exit status 0..255. The last message */
	WIRE_SIGNALED, /* init: value is the signal it died by. The last message */
	WIRE_FAILED,   /* init: text says why it could not be started; value is 125, 126 or 127. The last */
	WIRE_SIGNAL,   /* shell: send signal `value` to the command's process group */
	WIRE_NOTICE,   /* init: text is for the user to see, now */
	WIRE_ENDED,    /* init: the session is being ended, and text says why. The last message */
	WIRE_ASK,      /* init: how long have you copied nothing? Asked of those with a terminal */
	WIRE_IDLE,     /* shell: for `value` milliseconds */
};

#define WIRE_TEXT_MAX 200

struct wire_message {
	uint32_t kind;
	int32_t value;
	char text[WIRE_TEXT_MAX]; /* WIRE_FAILED, _NOTICE, _ENDED: one line, NUL-terminated */
};

/*
 * Send `size` bytes with `count` descriptors attached to the first. Blocks; restarts on EINTR; never
 * raises SIGPIPE. 0 or -errno; -EAGAIN when the socket has a timeout (or is non-blocking) and it passed.
 */
int wire_send(int fd, const void *data, size_t size, const int *fds, size_t count);

/*
 * Receive exactly `size` bytes and at most *count descriptors (all O_CLOEXEC; more are closed and make
 * it -EPROTO). 0, -ECONNRESET at an end of file, -EPROTO at a short message, or -errno. On failure no
 * descriptor is left open. -EAGAIN as above: what had come by then is lost.
 */
int wire_receive(int fd, void *data, size_t size, int *fds, size_t *count);

#endif
