/*
 * init_serve.h - PID 1's loop, and the connections it has: one for each carrel-shell.
 */
#ifndef CARREL_INIT_SERVE_H
#define CARREL_INIT_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/wire.h"
#include "init_spawn.h"
#include "keeper.h"

#define CONNECTIONS_MAX 256

/* One carrel-shell. With pid 0 its request is still being read. */
struct connection {
	int fd;
	pid_t pid;
	int64_t deadline; /* for the request, in milliseconds of fs_now_ms() */
	struct spawn_request request;
	size_t have; /* bytes of header and strings read so far */
	struct wire_message in;
	size_t in_have;

	bool ended;	 /* the command has, and `last` is still to be said, */
	uint32_t look;	 /* when the keeper has looked, */
	int64_t last_by; /* or when this time has come */
	struct wire_message last;

	bool terminal;
	bool asked;	/* and has not answered */
	int64_t active; /* the last input or output of its terminal that we know of */
};

struct server {
	const struct keeper *k;
	int sync_fd;
	struct connection list[CONNECTIONS_MAX];
	size_t count;

	uint32_t looks; /* how often the keeper was asked to look */

	int64_t changed; /* the last start or end of a command */
	bool cut_off;	 /* see struct activity */

	/* The keeper's question or last word, while carrel-shells are asked, or read and leave. 0: none. */
	uint32_t question;
	bool ending;
	int64_t answer_by;
};

/* Accept requests until the keeper is gone. */
void init_serve(const struct keeper *k, int sync_fd);

/* init_notice.c: take a message of the keeper's. False: the keeper is gone. */
bool notice_take(struct server *s);

/* Forget a connection. The last one takes its index. */
void connection_drop(struct server *s, size_t index);

/*
 * init_send.c: send one whole message without waiting for whoever reads it; but, for a moment, for memory, which a session whose
 * limit is reached may not have until the process that is being killed for it is gone. 0 or -errno.
 */
int init_send(int fd, const void *message, size_t size);

/*
 * init_report.c: a command has ended, which its carrel-shell is told when the keeper has looked whether it met a limit
 * (report_told), or after REPORT_MS (report_overdue).
 */
#define REPORT_MS 3000
void report_end(struct server *s, pid_t pid, int status);
void report_told(struct server *s, uint32_t look);
void report_overdue(struct server *s);

/* A carrel-shell says that its terminal has been idle for so long. */
void notice_idle(struct connection *c, int32_t milliseconds);

/* Answer the keeper's question, if there is one that all have answered or that has waited long enough. */
void notice_answer(struct server *s);

#endif
