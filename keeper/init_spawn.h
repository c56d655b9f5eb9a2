/*
 * init_spawn.h - start one command of the user inside the sandbox.
 */
#ifndef CARREL_INIT_SPAWN_H
#define CARREL_INIT_SPAWN_H

#include "core/wire.h"
#include "keeper.h"

/* A request as received: strings holds header.size bytes; three descriptors. */
struct spawn_request {
	struct wire_request header;
	char *strings;
	int fds[3];
	size_t fds_count;
};

/*
 * Start it, telling carrel-shell WIRE_STARTED (with the pty's master when a terminal was asked for) or WIRE_FAILED over
 * `connection`. The descriptors and strings stay the caller's. Returns the pid, or -errno.
 */
int spawn_command(const struct keeper *k, const struct spawn_request *request, int connection);

#endif
