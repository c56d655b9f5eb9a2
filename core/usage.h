/*
 * usage.h - what a cgroup uses and may use, read from the kernel's own files on v1 and v2.
 */
#ifndef CARREL_USAGE_H
#define CARREL_USAGE_H

#include <stdbool.h>
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
	uint64_t cpu_us;    /* processor time so far */
	uint64_t cpu_limit; /* thousandths of a CPU */
	uint64_t
		throttled_us; /* time in which it would have run but for the limit of this group; over all CPUs */
	uint64_t read_bytes; /* of block devices */
	uint64_t written_bytes;
};

/* Read all of the group `name`. -ENOENT when it is not there; a file that is missing is UNIT_NONE. */
int usage_read(struct cgroup_tree *tree, const char *name, struct usage *usage, struct carrel_error *err);

/*
 * How much of the processor time it could have used was kept from it, in thousandths. UNIT_NONE when either is not known; 0
 * when it wanted none.
 */
uint64_t usage_throttled_share(uint64_t throttled_us, uint64_t cpu_us);

/*
 * The same of a session's group and the groups above it, which are what its user and their group share; from `name` on, which
 * is of `first`. Returns how many levels there are, the last is levels[returned - 1 + first]; or -errno.
 */
enum usage_level { USAGE_SESSION, USAGE_USER, USAGE_GROUP, USAGE_LEVELS };
extern const char *const usage_level_names[USAGE_LEVELS];
int usage_read_levels(struct cgroup_tree *tree, const char *name, enum usage_level first,
		      struct usage levels[USAGE_LEVELS], struct carrel_error *err);

/* What is shown of a usage: a table of rows, and each as text for people. */
enum usage_unit { USAGE_BYTES, USAGE_COUNT, USAGE_CPU };
struct usage_row {
	const char *resource;
	enum usage_unit unit;
	bool limited;	/* there is such a limit, though perhaps not here */
	uint64_t used;	/* USAGE_CPU: microseconds */
	uint64_t limit; /* USAGE_CPU: thousandths of a CPU */
	uint64_t peak;
	uint64_t throttled; /* thousandths, of USAGE_CPU alone */
};
#define USAGE_ROWS 6
void usage_rows(const struct usage *usage, struct usage_row rows[USAGE_ROWS]);

/* The same of a user's files: bytes and how many. */
#define USAGE_DISK_ROWS 2
void usage_disk_rows(uint64_t bytes, uint64_t bytes_limit, uint64_t files, uint64_t files_limit,
		     struct usage_row rows[USAGE_DISK_ROWS]);

#define USAGE_TEXT_MAX 24
struct usage_text {
	char used[USAGE_TEXT_MAX], limit[USAGE_TEXT_MAX], peak[USAGE_TEXT_MAX], throttled[USAGE_TEXT_MAX];
};
/* "-": not known. A limit that is not there is "none" where there could be one. */
void usage_row_text(const struct usage_row *row, struct usage_text *text);

/* The text of the kernel's files. What is not there, or no number, is UNIT_NONE. */

/* One number; "max", "-1" and what version 1 shows for no limit are UNIT_NONE. */
uint64_t usage_parse_number(const char *text);
/* The number after `key` in lines "key number". */
uint64_t usage_parse_stat(const char *text, const char *key);
/* A quota and a period, "max 100000" or "50000 100000", in thousandths of a CPU. */
uint64_t usage_parse_cpu_max(const char *text);
/*
 * Bytes of all devices together: "MAJ:MIN rbytes=N wbytes=N …" of version 2, "MAJ:MIN Read N" lines of version 1. No device
 * used yet is 0.
 */
void usage_parse_io(const char *text, bool v2, uint64_t *read, uint64_t *written);

#endif
