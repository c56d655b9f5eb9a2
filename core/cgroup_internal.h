/*
 * cgroup_internal.h - what the cgroup*.c files share.
 *
 *	cgroup_root.c    where Carrel's groups are, and what they are called
 *	cgroup.c         the host's hierarchies; reading a group
 *	cgroup_value.c   limits of the policy -> values of the kernel's files, on v1 and v2
 *	cgroup_io.c      the same of disks
 *	cgroup_change.c  values of groups changed, and whether they hold
 *	cgroup_limit.c   making groups with their limits
 *	cgroup_check.c   whether limits could be enforced
 *	cgroup_member.c  into a group, and removing it with what is in it
 */
#ifndef CARREL_CGROUP_INTERNAL_H
#define CARREL_CGROUP_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "cgroup.h"

#define CGROUP_PATH_MAX 256
#define CGROUP_TEXT_MAX 128
#define CGROUP_DISK_MAX 24 /* "MAJOR:MINOR" */

struct controller {
	const char *name;
	bool v2;
	int mount_fd; /* O_PATH */
};

struct cgroup_tree {
	struct controller controllers[6];
	size_t count;
};

struct controller *cgroup_controller(struct cgroup_tree *tree, const char *name);

/* "GROUP/FILE" (FILE may be ""), in a buffer of CGROUP_PATH_MAX. 0 or -ENAMETOOLONG with a message. */
int cgroup_path(char *path, const char *group, const char *file, struct carrel_error *err);

/* One value to write, and what is read when it holds. */
struct cgroup_value {
	const char *controller;
	const char *key; /* the policy's name, such as "memory" */
	const char *file;
	char device[CGROUP_DISK_MAX]; /* the value is one line of several, which begins with that; or "" */
	const char *none;	      /* then: what is written for no such line */
	char text[CGROUP_TEXT_MAX];   /* as it is written, without the device */
	uint64_t number;	      /* what `text` says, for comparison; UNIT_NONE: no limit */
	uint64_t rounding;	      /* the kernel may round down by less than this */
	bool is_text;		      /* compare the text */
};

#define CGROUP_VALUES_MAX 96

struct cgroup_values {
	struct cgroup_value list[CGROUP_VALUES_MAX];
	size_t count;
};

/*
 * Every value that `level` asks for, in the order in which lowering them is right (raising: backwards). Optional ones that
 * cannot be are left out and noted in level->skipped. -ENOTSUP with a message that names the limit; the values of the others are
 * there all the same.
 */
int cgroup_values(struct cgroup_tree *tree, struct cgroup_level *level, struct cgroup_values *values,
		  struct carrel_error *err);

/* Add one; `none` is the text for UNIT_NONE. The new value, for what else it has. */
struct cgroup_value *cgroup_value_add(struct cgroup_values *all, const char *controller, const char *key,
				      const char *file, uint64_t number, const char *none);

/* A limit that cannot be enforced: 0 when it is optional, noted; else -ENOTSUP with a message. */
int cgroup_cannot(struct cgroup_level *level, const char *key, const char *why, struct carrel_error *err);

/* Those of `io`; as cgroup_values. */
int cgroup_io_values(struct cgroup_tree *tree, struct cgroup_level *level, struct cgroup_values *all,
		     struct carrel_error *err);

/*
 * Entries of `io` put together by the disk that they mean ("MAJOR:MINOR", or "default" for a weight of all disks): what is
 * least holds. Returns the new count. Room for one more is needed.
 */
struct cgroup_io_disk {
	char disk[CGROUP_DISK_MAX];
	struct io_limit limit; /* `device` is that of the first entry, borrowed */
};
size_t cgroup_io_merge(struct cgroup_io_disk *disks, size_t count, const char *disk,
		       const struct io_limit *io);

/* Whether a disk goes by weights, in the kernel's words: queue/scheduler of a disk has BFQ chosen ("none [bfq]") ... */
bool cgroup_io_is_bfq(const char *schedulers);
/* ... or io.cost.qos of the root has it switched on for this disk, or with NULL for any ("254:0 enable=1 ctrl=auto ..."). */
bool cgroup_io_has_cost(const char *qos, const char *disk);

/* The value as it is now, without the device; no such line is "". 0 or -errno. */
int cgroup_value_read(struct cgroup_tree *tree, const char *group, const struct cgroup_value *value,
		      char text[CGROUP_TEXT_MAX]);

bool cgroup_value_holds(const struct cgroup_value *value, const char *text);

/* Whether `text` allows more than the value does: writing the value lowers the limit. */
bool cgroup_value_lowers(const struct cgroup_value *value, const char *text);

/* What becomes of a value that does not hold. */
enum cgroup_mercy {
	CGROUP_STRICT, /* an error, and what was changed before is put back */
	CGROUP_LENIENT, /* what the kernel refuses for what is in use stays; what it cannot enforce is an error */
	CGROUP_PARTLY, /* it stays, and the others are changed */
};

/*
 * Change what differs from the policy, until nothing does. What stays is noted in `pending`, with the first reason of its level,
 * which is cleared before. How many values were changed, or -errno with a message.
 */
int cgroup_settle(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		  enum cgroup_mercy mercy, struct carrel_error *err);

/* Note an optional limit that is not enforced. False: it is not optional. */
bool cgroup_skip(struct cgroup_level *level, const char *key);

#endif
