/*
 * self_service.h - what users may have done to their own root filesystem, asked for from inside: self_service of the policy.
 *
 *	init	at the login: puts a script for each into SELF_SERVICE_BIN, and the last outcome beside them
 *	user	runs one, which adds a line to SELF_SERVICE_FILE in their home
 *	keeper	when the last session of the user has ended: takes the file, and does what it says
 *
 * The file is the user's, who may write anything into it, or make it something else than a file; only what the policy allows is done,
 * and only to the user's own. The line is what asks, so there is nobody to impersonate: all of the sandbox is one user's.
 */
#ifndef CARREL_SELF_SERVICE_H
#define CARREL_SELF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>

#include "keeper.h"

#define SELF_SERVICE_BIN  "/run/carrel/bin"
#define SELF_SERVICE_FILE ".carrel-request"

/* Whether the policy allows anything of it. */
bool self_service_any(const struct policy *policy);

/* init, inside, after the pivot. 0 or -errno. */
int self_service_offer(const struct keeper *k, struct carrel_error *err);

/*
 * The keeper, with the user's lock held, after the session's end: nothing unless it was the last one. A request is taken away before it
 * is carried out, so it is done once or not at all. What fails is said in syslog and in the outcome. What a change finished by the login
 * has left is removed here, too: at the login somebody would wait for it.
 */
void self_service_carry_out(struct keeper *k);

/* One line of the file. Pure. */
struct self_service_request {
	bool reset, keep_home; /* else a snapshot */
	char name[64];
};
bool self_service_parse(const char *line, struct self_service_request *request);

#endif
