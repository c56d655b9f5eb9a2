/*
 * usage.h - what a cgroup uses and may use, read from the kernel's own files on v1 and v2.
 */
#ifndef CARREL_USAGE_H
#define CARREL_USAGE_H

#include <stdint.h>

#include "cgroup.h"
#include "error.h"

/* UNIT_NONE: not known here, or no limit. */
struct usage {
	uint64_t memory; /* bytes, with page cache and kernel memory, as the limit counts them */
	uint64_t memory_peak;
	uint64_t memory_limit;
	uint64_t swap;
	uint64_t pids;
	uint64_t pids_peak;
	uint64_t pids_limit;
	uint64_t cpu_us;       /* processor time so far */
	uint64_t cpu_limit;    /* thousandths of a CPU */
	uint64_t throttled_us; /* time in which it would have run but for the limit */
	uint64_t read_bytes;   /* of block devices */
	uint64_t written_bytes;
};

/* Read all of the group `name`. -ENOENT when it is not there; a file that is missing is UNIT_NONE. */
int usage_read(struct cgroup_tree *tree, const char *name, struct usage *usage, struct carrel_error *err);

#endif
