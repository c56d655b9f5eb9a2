/*
 * kmsg.h - the names of processes that the OOM killer took, from the kernel's log.
 *
 * The counters say that a process was killed; which one is only in the log, in two lines:
 *
 *	oom-kill:constraint=CONSTRAINT_MEMCG,…,oom_memcg=/carrel/1000,task_memcg=/carrel/1000/1000-1c7a,task=dd,pid=7,uid=0
 *	Memory cgroup out of memory: Killed process 7 (dd) total-vm:…, UID:100000 pgtables:…
 *
 * The first names the group and the one whose limit it was ("global_oom" in place of oom_memcg: the machine has no memory left);
 * the kernel leaves it out when there are many. The second is always there, and its uid tells the
 * user, since nobody else has their block of ids, but not the session. There are hosts whose log cannot be read at all.
 */
#ifndef CARREL_KMSG_H
#define CARREL_KMSG_H

#include <stddef.h>
#include <stdint.h>

#include "core/idmap.h"

#define KMSG_NAME_MAX 16 /* of a process' name, with the NUL */

struct kmsg_victim {
	char name[KMSG_NAME_MAX];
	unsigned long pid; /* the same in both lines */
	int above; /* how many levels above `group` the limit was: 0 is its own. -1: the host's memory. KMSG_UNKNOWN */
};

enum kmsg_kind {
	KMSG_OTHER,
	KMSG_GROUP, /* a process of the group was killed */
	KMSG_USER,  /* a process with an id of the block was killed */
};

/* Whose limit it was, when it is not known. */
#define KMSG_UNKNOWN (-2)

/*
 * What one record of /dev/kmsg says. `group` is the path below the mount point; the log has it from the root of the machine. The
 * name goes to `victim` as the process had set it, not escaped. Pure.
 */
enum kmsg_kind kmsg_parse(const char *record, const char *group, uint32_t uid_base,
			  struct kmsg_victim *victim);

/*
 * Read what is new and call `victim` for every process of the group that was killed. If the log names fewer than `killed` victims
 * by group, those that it names by uid only are taken as well, but only when both together are exactly `killed`; else the rest
 * stay without a name.
 */
void kmsg_read(int fd, const char *group, uint32_t uid_base, uint64_t killed,
	       void (*victim)(void *data, const char *name, int above), void *data);

#endif
