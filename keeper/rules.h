/*
 * rules.h - session.idle, session.lifetime and session.warn: when to look, to warn and to end. Pure.
 *
 * All times are milliseconds; points in time are those of fs_now_ms().
 */
#ifndef CARREL_RULES_H
#define CARREL_RULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/policy.h"

#define RULES_NEVER INT64_MAX

struct rules {
	struct session_rules set; /* idle, lifetime and warn hold; UNIT_NONE: none */
	int64_t started;
	int64_t active;		 /* the last activity that is known of */
	int64_t known;		 /* and there was no other until then */
	int64_t warned_idle;	 /* when; RULES_NEVER: not since the last activity */
	int64_t warned_lifetime; /* likewise */
};

enum rules_step {
	RULES_WAIT,
	RULES_ASK, /* how long it has been idle must be known before more can be said */
	RULES_WARN_IDLE,
	RULES_WARN_LIFETIME,
	RULES_END_IDLE,
	RULES_END_LIFETIME,
};

/* Begin to count at `now`, when the session is opened: nothing has been warned of. */
void rules_start(struct rules *rules, const struct session_rules *set, int64_t now);

/* Other values from now on. A warning that is not due by them is forgotten, so that there will be another. */
void rules_change(struct rules *rules, const struct session_rules *set, int64_t now);

/*
 * What an answer of init says: the last activity was at `active`, and up to `known` there was no other. A time that is older than the
 * one noted so far changes nothing.
 */
void rules_learn(struct rules *rules, int64_t active, int64_t known);

/*
 * What is to be done at `now`; with RULES_WAIT and RULES_ASK, *next is when to come back if nothing was learnt until then,
 * or RULES_NEVER. A warning counts as given by being
 * returned. Nobody is ended sooner after it than the warning says, so a rule that is made stricter while a
 * session runs warns as well. `warn` is at most half of what it warns of.
 */
enum rules_step rules_next(struct rules *rules, int64_t now, int64_t *next);

/* The line for the user: "this session ends in 60 s: no input or output for 14 min", "session ended: idle for 15 min". */
void rules_explain(const struct rules *rules, enum rules_step step, int64_t now, char *text, size_t size);

/* "60 s", "14 min", "2 h 30 min": at most two units, the rest cut off. Returns buf. */
char *rules_time_text(char *buf, size_t size, int64_t milliseconds);

/*
 * Read "rules idle=MS lifetime=MS warn=MS" into *set; what is not named stays. MS is a number, or "off". False, with nothing
 * changed: something else, or a value that the policy could not have either.
 */
bool rules_parse(const char *text, struct session_rules *set);

#endif
