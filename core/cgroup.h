/*
 * cgroup.h - the ceiling: one group per session, made and limited through libcgroup on v1, v2 and hybrid.
 *
 * Groups are named "<root>[/<budget>]/<uid>/<session id>" below every controller's mount point, and each level but the
 * root may have limits. Every value is read back after it is written: libcgroup has reported success on v2 while doing
 * nothing.
 */
#ifndef CARREL_CGROUP_H
#define CARREL_CGROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"
#include "policy.h"

#define CGROUP_ROOT  "carrel"
#define CGROUP_SLICE "carrel.slice"
#define CGROUP_SCOPE CGROUP_SLICE "/carrel-sessions.scope"
#define GROUP_PREFIX "group-" /* of a budget's group */

/*
 * What all of Carrel's groups are below: CGROUP_ROOT where nobody manages the tree or the controllers are on version 1, and
 * CGROUP_SCOPE where systemd manages version 2 (see keeper/scope.h). The same for as long as the machine is up, so a
 * session's group can be named without its record.
 */
const char *cgroup_root(void);
/* The name of a session's group, `group` being that of its budget ("group-…") or NULL. 0 or -ENAMETOOLONG. */
int cgroup_session_name(char *name, size_t size, const char *group, uid_t uid, const char *id);

/* The level above: cuts off the last part of `name`. False when that would be cgroup_root() or above. */
bool cgroup_name_up(char *name);

/* systemd, when it is PID 1 and the tree is its own; else NULL. */
struct cgroup_manager {
	const char *mount; /* the hierarchy in which it tracks processes */
	bool v2;
};
const struct cgroup_manager *cgroup_manager(void);

/*
 * The group of `process` ("self", a pid) in the hierarchy of version 2, or in the one of version 1 in which systemd tracks
 * processes. 0, -ENOENT, or -errno. The other one does it with the text of /proc/PID/cgroup.
 */
int cgroup_of_process(const char *process, bool v2, char *path, size_t size);
int cgroup_text_path(const char *text, bool v2, char *path, size_t size);

struct cgroup_tree; /* the host's hierarchies, found once */

/*
 * Look at the host's mounts; at once 0 when *tree is open already. It costs a millisecond (libcgroup), so it is left until
 * a group is made or removed. Free with cgroup_tree_free. -ENOSYS with a message: no usable hierarchy.
 */
int cgroup_tree_open(struct cgroup_tree **tree, struct carrel_error *err);
void cgroup_tree_free(struct cgroup_tree *tree);

/* Whether processes can be cloned into a group (v2 alone), or must enter by themselves (v1, hybrid). */
bool cgroup_can_clone(void);

/* One level of groups: all of a budget's users, one user's sessions, one session. */
struct cgroup_level {
	char name[128];	   /* relative, see above */
	const char *label; /* of its limits in the policy: "limits", "user_limits", "group_limits" */
	const struct limits *limits; /* borrowed */
	const char *const *
		optional; /* labels such as "limits.io" that need not be enforced; NULL-terminated, or NULL */
	uint64_t cpus_above; /* what a level above has at most: no level gets more (v1 refuses it) */
	char skipped[128];   /* filled: the optional limits that the kernel here cannot enforce, or "" */
	char pending[192];   /* filled: why an older limit is still in force, or "" */
};

/* The levels of a session: at most `CGROUP_LEVELS_MAX`, top-down. `name` is the session's group. Returns how many. */
#define CGROUP_LEVELS_MAX 3
size_t cgroup_levels(const struct policy *policy, const char *name,
		     struct cgroup_level levels[CGROUP_LEVELS_MAX]);

/*
 * Make what is missing of these levels (top-down, each inside the one before), give each its limits, and read every value
 * back. A limit that the kernel here cannot enforce is -ENOTSUP with a message that names it, unless it is optional. Of a level that
 * was there already, a value that the kernel refuses for what other sessions use stays as it was, noted in `pending`; so does on v2 a
 * limit of memory below what is in use, for which the kernel would end their processes. On failure the last level is removed.
 */
int cgroup_create(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		  struct carrel_error *err);

/*
 * Change the limits of groups that live (levels top-down, all of one height together), in an order that the kernel takes: lower
 * from the leaves up, then raise from the top down. A value that is refused, or cannot be enforced, puts back all that were written and
 * is an error with a message; or, with `partly`, is noted in its level's `pending` (the first of them) and the others are still
 * changed. A group that is not there, or goes meanwhile, is passed over. How many values were changed, or -errno.
 */
int cgroup_change(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count, bool partly,
		  struct carrel_error *err);

/*
 * Read a group's file of one controller ("memory", "cpu", "cpuacct", "pids", "io" of v2, "blkio" of v1) as text. The length,
 * -ENOENT when there is no such controller, group or file, or -errno.
 */
ssize_t cgroup_read(struct cgroup_tree *tree, const char *controller, const char *name, const char *file,
		    char *buf, size_t size);
/* The same file, opened, for those who wait for it to change. Descriptor or -errno. */
int cgroup_open_file(struct cgroup_tree *tree, const char *controller, const char *name, const char *file,
		     int flags);
/* Whether a controller is on version 2. */
bool cgroup_is_v2(struct cgroup_tree *tree, const char *controller);

/* Whether there is such a controller. */
bool cgroup_has(struct cgroup_tree *tree, const char *controller);

/*
 * Whether the limits of the levels, whose groups need not be there, could be enforced, as far as that can be told without making
 * them: -ENOTSUP with a message that names the limit, 0 with what would be left out in `skipped`, or -errno.
 */
int cgroup_check(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		 struct carrel_error *err);

/* Whether the group is there, in any hierarchy. */
bool cgroup_exists(struct cgroup_tree *tree, const char *name);

/*
 * Find the group of the session `id`, or with id NULL that of the user, whether it is in a budget or not, and put its name into `name`.
 * False: there is none; `name` is then what it would be called outside all budgets.
 */
bool cgroup_find(struct cgroup_tree *tree, uid_t uid, const char *id, char *name, size_t size);

/*
 * Descriptors by which a process gets into the group: on v2 one of the directory, for clone3 with
 * CLONE_INTO_CGROUP; on v1 one of `tasks` per hierarchy, for cgroup_enter by the process itself. Returns
 * how many (at most CGROUP_FDS_MAX), or -errno.
 */
#define CGROUP_FDS_MAX 8
int cgroup_open_entry(struct cgroup_tree *tree, const char *name, int fds[CGROUP_FDS_MAX],
		      struct carrel_error *err);

/*
 * v1: move the calling (single-threaded) process. Writing "0" to `tasks` moves only the writer, so the kernel
 * needs no lock over all thread groups and no RCU grace period: 0.07 ms, where writing a pid to
 * cgroup.procs took 5 to 24 ms on an idle machine.
 */
int cgroup_enter(const int *fds, size_t count);

/* Whether the process `pid` is in the group `name` of every controller: 0, or -ESRCH with a message. */
int cgroup_check_member(struct cgroup_tree *tree, const char *name, pid_t pid, struct carrel_error *err);

/* Kill whatever is in the group, wait at most timeout_ms until it is empty, and remove it. 0 or -errno; a
 * group that is not there is success. Then removes its parent below cgroup_root() if that is empty. */
int cgroup_remove(struct cgroup_tree *tree, const char *name, int timeout_ms, struct carrel_error *err);

#endif
