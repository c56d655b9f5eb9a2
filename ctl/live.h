/*
 * live.h - the sessions as list, show and top see them: the record, whether a keeper is there, and what is used.
 */
#ifndef CARREL_CTL_LIVE_H
#define CARREL_CTL_LIVE_H

#include <stdbool.h>

#include "core/session.h"
#include "core/usage.h"

enum live_state { LIVE_STALE, LIVE_STARTING, LIVE_UP };

struct live {
	enum live_state state;
	/* A session that is just being set up has no record to read: then all but id, uid and, if known, user is empty. */
	struct session_record record;
	struct usage usage[USAGE_LEVELS];
	int levels; /* how many of them are known */
	struct session_status status;
	bool has_status; /* only after live_ask */
};

/* Look at one session. `tree` may be NULL: no usage. -ENOENT: it ended while we were looking. */
int live_read(const char *id, struct cgroup_tree *tree, struct live *live);

/* Ask the session's keeper what goes on in it; one that is stalled answers late or not at all, and then it is not known. */
void live_ask(struct live *live);

const char *live_state_name(enum live_state state);

/* The uid of a name of the host's passwd, or of a number: an account that was deleted may still be logged in. 0 or -ENOENT. */
int live_find_uid(const char *word, uid_t *uid);

#endif
