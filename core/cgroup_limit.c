/*
 * cgroup_limit.c - see cgroup.h: the levels of a session, and groups made with their limits. As root, on the host.
 */
#include "cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "text.h"
#include "units.h"

#define CREATE_ATTEMPTS 4

/* --- which levels --- */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

size_t cgroup_levels(const struct policy *policy, const char *name,
		     struct cgroup_level levels[CGROUP_LEVELS_MAX])
{
	const struct cgroup_level all[CGROUP_LEVELS_MAX] = {
		{ .label = "group_limits", .limits = &policy->group_limits, .cpus_above = UNIT_NONE },
		{ .label = "user_limits",
		  .limits = &policy->user_limits,
		  .cpus_above = policy->group_limits.cpus },
		{ .label = "limits",
		  .limits = &policy->limits,
		  .cpus_above = least(policy->user_limits.cpus, policy->group_limits.cpus) },
	};
	char up[sizeof(levels->name)];
	size_t first = CGROUP_LEVELS_MAX;

	/* Bottom-up, as far as there are levels below the root. */
	for (bool more = text_format(up, sizeof(up), "%s", name) == 0; more && first > 0;
	     more = cgroup_name_up(up)) {
		first--;
		levels[first] = all[first];
		levels[first].optional = policy->optional;
		memcpy(levels[first].name, up, sizeof(up));
	}
	memmove(levels, levels + first, (CGROUP_LEVELS_MAX - first) * sizeof(*levels));
	size_t count = CGROUP_LEVELS_MAX - first;
	/* Sessions that began under another budget stay under it, and its limits are not this policy's. */
	if (count == CGROUP_LEVELS_MAX && strcmp(strrchr(levels[0].name, '/') + 1, policy->group) != 0) {
		memmove(levels, levels + 1, --count * sizeof(*levels));
		levels[0].cpus_above = UNIT_NONE;
		levels[1].cpus_above = policy->user_limits.cpus;
	}
	return count;
}

/* --- making groups --- */

static bool is_optional(const struct cgroup_level *level, const char *key)
{
	struct cgroup_level copy = level ? *level : (struct cgroup_level){ .label = "" };

	return cgroup_skip(&copy, key);
}

/*
 * Make one group with its values in one call: libcgroup walks every path from the root each time it is asked. Left for
 * later is what may be refused, and what needs more than one write to a file.
 */
static int make_group(struct cgroup_tree *tree, const char *name, const struct cgroup_level *level,
		      const struct cgroup_values *values, struct carrel_error *err)
{
	struct cgroup *cg = cgroup_new_cgroup(name);
	int r = cg ? 0 : ECGOTHER;

	for (size_t i = 0; i < tree->count && r == 0; i++) {
		struct cgroup_controller *c = cgroup_add_controller(cg, tree->controllers[i].name);
		r = c ? 0 : ECGOTHER;
		for (size_t j = 0; values && j < values->count && r == 0; j++) {
			const struct cgroup_value *v = &values->list[j];
			if (strcmp(v->controller, tree->controllers[i].name) == 0 && !*v->device &&
			    v->number != UNIT_NONE && !is_optional(level, v->key))
				r = cgroup_add_value_string(c, v->file, v->text);
		}
	}
	if (r == 0)
		r = cgroup_create_cgroup(cg, 1);
	int code = cgroup_get_last_errno();
	if (cg)
		cgroup_free(&cg);
	return r == 0 ? 0
		      : error_set(err, EIO, "cannot create cgroup '%s': %s", name,
				  r == ECGOTHER ? strerror(code) : cgroup_strerror(r));
}

/* In every hierarchy; on v2 that means with every controller, which the level above has to hand on. */
static bool is_complete(struct cgroup_tree *tree, const char *name)
{
	static const char *const files[][2] = {
		{ "memory", "memory.max" }, { "cpu", "cpu.max" }, { "pids", "pids.max" }, { "io", "io.max" }
	};
	char path[CGROUP_PATH_MAX];

	for (size_t i = 0; i < tree->count; i++) {
		const struct controller *c = &tree->controllers[i];
		const char *file = c->v2 ? NULL : "tasks";
		for (size_t j = 0; !file && j < ARRAY_SIZE(files); j++)
			if (strcmp(files[j][0], c->name) == 0)
				file = files[j][1];
		if (cgroup_path(path, name, file ? file : "cgroup.procs", NULL) < 0 ||
		    faccessat(c->mount_fd, path, F_OK, 0) < 0)
			return false;
	}
	return true;
}

/*
 * On v2 each level by itself, from the top: a nested create fails with a false ENOENT while a parent has not been
 * given the controllers. On v1 the create makes the parents.
 */
static int make_parents(struct cgroup_tree *tree, const char *name, struct carrel_error *err)
{
	char parent[CGROUP_PATH_MAX];

	for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
		if (text_format(parent, sizeof(parent), "%.*s", (int)(slash - name), name) < 0)
			return error_set(err, ENAMETOOLONG, "group name '%s' is too long", name);
		int r = is_complete(tree, parent) ? 0 : make_group(tree, parent, NULL, NULL, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool has_v2(const struct cgroup_tree *tree)
{
	for (size_t i = 0; i < tree->count; i++)
		if (tree->controllers[i].v2)
			return true;
	return false;
}

/*
 * Make one level what it shall be. A create stops at the first value that is refused, and what it has not come to is missing: then
 * the group is made without values, and they are written one by one, where each can be named.
 *
 * A level that was there may have other sessions in it, and these may use more than a limit that the policy has lowered
 * meanwhile. To change that is for `carrelctl apply`, and no reason to refuse a login.
 */
static int ensure_level(struct cgroup_tree *tree, struct cgroup_level *level, bool was_there,
			struct carrel_error *err)
{
	struct cgroup_values values;

	int r = cgroup_values(tree, level, &values, err);
	if (r == 0 && !is_complete(tree, level->name)) {
		r = make_group(tree, level->name, level, &values, NULL);
		if (r < 0)
			r = make_group(tree, level->name, NULL, NULL, err);
	}
	if (r == 0)
		r = cgroup_settle(tree, level, 1, was_there ? CGROUP_LENIENT : CGROUP_STRICT, err);
	if (r < 0)
		return r;
	return is_complete(tree, level->name)
		       ? 0
		       : error_set(err, ENOENT, "cgroup '%s' was removed meanwhile", level->name);
}

int cgroup_create(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		  struct carrel_error *err)
{
	struct cgroup_level *session = &levels[count - 1];
	bool was_there[CGROUP_LEVELS_MAX];
	int r = -ENOENT;

	for (size_t i = 0; i < count; i++)
		was_there[i] = is_complete(tree, levels[i].name);
	/*
	 * From the top: on v1 a group gets no more processors than the one above it has at that moment. Levels that are not there
	 * are left to the create where that makes parents, on v1: that costs half.
	 *
	 * The last session of a user, or of a budget, removes the level above it at any moment up to our making of one below, and
	 * then that comes without its limits. So look once more when it can no longer go.
	 */
	for (int attempt = 0; attempt < CREATE_ATTEMPTS && r < 0; attempt++) {
		r = has_v2(tree) ? make_parents(tree, levels[0].name, err) : 0;
		for (size_t i = 0; i < count && r == 0; i++)
			if (was_there[i] || has_v2(tree) || i + 1 == count)
				r = ensure_level(tree, &levels[i], was_there[i], err);
		if (is_complete(tree, session->name))
			break;
	}
	for (size_t i = 0; i + 1 < count && r == 0; i++)
		r = ensure_level(tree, &levels[i], was_there[i], err);
	if (r < 0)
		cgroup_remove(tree, session->name, 0, NULL);
	return r;
}
