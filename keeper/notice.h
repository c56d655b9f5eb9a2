/*
 * notice.h - what the keeper and init say to each other while a session runs.
 *
 * Over the socket by which init was told how to build the sandbox (k->sync_fd, SOCK_SEQPACKET): whole messages of one
 * size, both ends never waiting, and what finds no room is lost. The keeper trusts nothing that comes from init: it reads only
 * while it waits for an answer, takes the number it asked for, and does without where none comes.
 */
#ifndef CARREL_NOTICE_H
#define CARREL_NOTICE_H

#include <stdint.h>

#include "core/wire.h"
#include "keeper.h"

enum notice_kind {
	NOTICE_SHOW = 1, /* keeper: text, for every carrel-shell to show its user */
	NOTICE_END,	 /* keeper: the same, as the last that they hear. init answers when they have left */
	NOTICE_ASK,	 /* keeper: what goes on in the session? init asks the carrel-shells, and answers */
	NOTICE_COUNT,	 /* keeper: the same, as far as init knows by itself. It answers at once */
	NOTICE_TOLD,	 /* keeper: the answer to ask_look, with its serial */
	NOTICE_ANSWER,	 /* init, with the serial of what it answers */
};

/* What goes on in a session, as init knows it. */
struct activity {
	int64_t idle_ms; /* since the last input or output of a terminal, or the start or end of a command */
	uint32_t connections; /* carrel-shells */
	uint32_t commands;    /* of them: whose command runs */
	uint32_t terminals;   /* of them: on a terminal */
	uint32_t cut_off;     /* 1: the carrel-shell that left last left a running command behind */
};

struct notice_message {
	uint32_t kind; /* enum notice_kind */
	uint32_t serial;
	struct activity activity;
	char text[WIRE_TEXT_MAX];
};

/*
 * Show "carrel: TEXT" to whoever uses the session: on their terminals, else on the standard error of their commands. One
 * line, already printable (other bytes become '?'), at most WIRE_TEXT_MAX - 1 bytes; the rest is cut off. Never waits:
 * -EAGAIN when there is no room, or -errno when init is gone. The caller sees to it that there are not too many.
 */
int notice_send(struct keeper *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Say the same as the last line of all, and wait at most timeout_ms until everybody has heard it. */
void notice_end(struct keeper *k, int timeout_ms, const char *text);

/* Everything was said. */
void notice_told(struct keeper *k, uint32_t serial);

/* Ask what goes on. Returns the question's serial, never 0, or -errno. */
int64_t notice_ask(struct keeper *k);

/* Ask init alone, and wait at most timeout_ms for the answer. 0, -ETIMEDOUT, or -errno. */
int notice_count(struct keeper *k, int timeout_ms, struct activity *activity);

/* Read one message. 1: it answers `serial`; 0: there is none, or another one; -errno: there will be none any more. */
int notice_receive(struct keeper *k, uint32_t serial, struct activity *activity);

#endif
