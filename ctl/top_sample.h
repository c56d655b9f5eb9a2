/*
 * top_sample.h - what `carrelctl top` counts: two looks at the kernel's counters, and what happened between them. Pure.
 */
#ifndef CARREL_CTL_TOP_SAMPLE_H
#define CARREL_CTL_TOP_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/session.h"
#include "core/usage.h"

/* One session, or one user with all their sessions, at one moment. Numbers may be UNIT_NONE. */
struct top_entry {
	char id[SESSION_ID_MAX]; /* of a user: the uid */
	char user[64];
	unsigned sessions;
	uint64_t started;		  /* seconds since the epoch; of a user: the oldest session */
	uint64_t idle;			  /* milliseconds; of a user: the least */
	struct usage usage[USAGE_LEVELS]; /* of the session or user itself first, then of the groups above */
	int levels;
};

struct top_sample {
	uint64_t at_us; /* of a clock that only goes forward */
	uint64_t now;	/* seconds since the epoch */
	struct top_entry *entries;
	size_t count;
};

/* One line of the table. UNIT_NONE: not known (yet). */
struct top_row {
	const struct top_entry *entry; /* of the later sample */
	uint64_t memory, memory_limit;
	uint64_t cpu; /* tenths of a percent of one CPU */
	uint64_t pids, pids_limit;
	uint64_t read, written; /* bytes a second */
	uint64_t
		throttled; /* thousandths of the processor time it could have used, at the level that kept most */
	uint64_t age, idle; /* milliseconds */
};

enum top_key {
	TOP_MEMORY,
	TOP_CPU,
	TOP_PIDS,
	TOP_IO,
	TOP_THROTTLED,
	TOP_AGE,
	TOP_IDLE,
	TOP_USER, /* by name, then ID; the others the largest first */
	TOP_KEYS
};

/* "memory", … as --sort takes them, and the key that sorts by it. */
extern const char *const top_key_names[TOP_KEYS];
extern const char top_key_letters[TOP_KEYS];

/*
 * A line for each entry of `now`. `before` may be NULL or lack an entry: what needs two looks is UNIT_NONE then. A counter that
 * went back (a group that was made anew) is UNIT_NONE too. `rows` has room for now->count.
 */
void top_rates(const struct top_sample *before, const struct top_sample *now, struct top_row *rows);

/* What is not known comes last, and the order of two equals is by user and ID, so that lines do not jump. */
void top_sort(struct top_row *rows, size_t count, enum top_key key);

/* Bytes a second, both ways. */
uint64_t top_io(const struct top_row *row);

#endif
