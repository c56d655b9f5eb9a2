/*
 * watch_groups.h - what the kernel counts in the groups of a session when a limit bites, on v1 and v2.
 *
 *				v1				v2
 *	a process was killed	"oom_kill" in the session's	"oom_kill" in the session's
 *				memory.oom_control		memory.events
 *	whose limit it was	the highest level whose		the level whose memory.events.local
 *				eventfd was signalled		has one "oom" more
 *	a fork was refused	pids.events of the session: "max" counts its own forks, whoever's limit it was. Since
 *				Linux 6.11 on v2 pids.events.local of the level that refused
 */
#ifndef CARREL_WATCH_GROUPS_H
#define CARREL_WATCH_GROUPS_H

#include <stdbool.h>
#include <stdint.h>

#include "keeper.h"

enum { LEVEL_SESSION, LEVEL_USER, LEVEL_GROUP, LEVELS, LEVEL_HOST = LEVELS };

struct watch_level {
	char name[128];	  /* of the cgroup */
	int oom_fd;	  /* v1: an eventfd */
	uint64_t ooms;	  /* v2: seen so far */
	int64_t oom_at;	  /* when there was one that no killed process was put down to yet, or 0 */
	int pids_fd;	  /* pids.events or pids.events.local; -EBADF: there is none to look at */
	uint64_t refused; /* seen so far */
};

struct watch_groups {
	struct cgroup_tree *tree; /* borrowed */
	int epoll;		  /* readable when it is worth looking */
	bool memory_v2;
	bool silent;	    /* v1 does not notify of refused forks (seen on 6.18): look from time to time */
	bool pids_by_level; /* every level counts what it refused itself */
	int memory_fd;	    /* of the session */
	uint64_t kills;	    /* seen so far */
	struct watch_level level[LEVELS];
	int levels;
};

/* Never fails: what cannot be watched here is only counted when somebody looks, or not at all. */
void watch_groups_open(struct watch_groups *w, struct keeper *k);
/* Close what watch_groups_open has opened. */
void watch_groups_close(struct watch_groups *w);

/*
 * How many processes of the session were killed for memory since the last look, and at which level the limit was. The
 * notification can come before the kill: *unsure says that one more look, a little later, is worth while.
 */
uint64_t watch_killed(struct watch_groups *w, int *level, bool *unsure);

/* How many forks were refused since the last look, by the limit of which level. */
uint64_t watch_refused(struct watch_groups *w, int *level);

#endif
