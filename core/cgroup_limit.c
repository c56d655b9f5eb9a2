/*
 * cgroup_limit.c - see cgroup.h: groups made with their limits, and limits of live groups changed. As root, on the
 * host.
 *
 * Values are written by libcgroup and read back from the kernel's own file.
 */
#include "cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libcgroup.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
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

/* --- one value --- */

static int write_value(const char *group, const struct cgroup_value *value, const char *text,
		       struct carrel_error *err)
{
	char line[CGROUP_TEXT_MAX + sizeof(value->device) + 2];
	struct cgroup *cg = cgroup_new_cgroup(group);
	struct cgroup_controller *c = cg ? cgroup_add_controller(cg, value->controller) : NULL;

	snprintf(line, sizeof(line), "%s%s%s", value->device, *value->device ? " " : "", text);
	int r = c ? cgroup_add_value_string(c, value->file, line) : ECGOTHER;
	if (r == 0)
		r = cgroup_modify_cgroup(cg);
	int code = cgroup_get_last_errno();
	if (cg)
		cgroup_free(&cg);
	if (r == 0)
		return 0;
	return error_set(err, r == ECGOTHER && code ? code : EIO, "%s",
			 r == ECGOTHER ? strerror(code) : cgroup_strerror(r));
}

/* Whether the value holds in the group: 1, 0, or -ENOTSUP with a message. */
static int value_holds(struct cgroup_tree *tree, const struct cgroup_level *level,
		       const struct cgroup_value *value, struct carrel_error *err)
{
	char text[CGROUP_TEXT_MAX];

	int r = cgroup_value_read(tree, level->name, value, text);
	if (r < 0)
		return error_set(err, ENOTSUP, "limit '%s.%s' cannot be enforced: no %s here", level->label,
				 value->key, value->file);
	if (cgroup_value_holds(value, text))
		return 1;
	error_set(err, ENOTSUP, "limit '%s.%s' was not accepted: %s is '%s' after '%s' was written",
		  level->label, value->key, value->file, text, value->text);
	return 0;
}

/* --- changing what is there --- */

struct change {
	struct cgroup_level *level;
	struct cgroup_value value;
	char old[CGROUP_TEXT_MAX];
	bool lowers;
};

struct changes {
	struct change *list;
	size_t count;
	size_t done; /* of these, in the order below */
};

/* What differs in one group. */
static int find_changes(struct cgroup_tree *tree, struct cgroup_level *level, struct changes *all,
			struct carrel_error *err)
{
	struct cgroup_values values;
	char now[CGROUP_TEXT_MAX];

	int r = cgroup_values(tree, level, &values, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < values.count; i++) {
		const struct cgroup_value *v = &values.list[i];
		int read = cgroup_value_read(tree, level->name, v, now);
		if (read < 0 && !cgroup_skip(level, v->key))
			return error_set(err, ENOTSUP, "limit '%s.%s' cannot be enforced: no %s here",
					 level->label, v->key, v->file);
		if (read < 0 || cgroup_value_holds(v, now))
			continue;
		struct change c = { .level = level, .value = *v, .lowers = cgroup_value_lowers(v, now) };
		memcpy(c.old, now, sizeof(now));
		if (array_append(&all->list, &all->count, &c, sizeof(c)) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	return 0;
}

/* As it is written, what was read: v1 shows its "no limit" as a number, and a line that is not there is none. */
static const char *as_written(const struct change *c)
{
	if (!*c->value.device)
		return c->old;
	if (*c->old)
		return c->old;
	return c->value.is_text ? "rbps=max wbps=max riops=max wiops=max" : "0";
}

static int carry_out(struct cgroup_tree *tree, struct change *c, struct carrel_error *err)
{
	struct carrel_error why = { 0 };

	int r = write_value(c->level->name, &c->value, c->value.text, &why);
	if (r == 0 && value_holds(tree, c->level, &c->value, err) == 1)
		return 0;
	if (cgroup_skip(c->level, c->value.key))
		return 0;
	if (r == -EBUSY && strcmp(c->value.controller, "memory") == 0)
		return error_set(
			err, EBUSY,
			"limit '%s.%s' was refused: more than that is in use and the kernel cannot free it",
			c->level->label, c->value.key);
	if (r < 0)
		return error_set(err, -r, "limit '%s.%s' was refused: %s", c->level->label, c->value.key,
				 why.msg);
	return -ENOTSUP;
}

/*
 * The order of all changes: what lowers, from the leaves up (levels come top-down) and in a group in its own order; then
 * what raises, the other way.
 */
static struct change *in_order(const struct changes *all, size_t step)
{
	size_t seen = 0;

	for (size_t i = all->count; i-- > 0;) {
		/* The first of this group's. */
		size_t first = i;
		while (first > 0 && all->list[first - 1].level == all->list[i].level)
			first--;
		for (size_t j = first; j <= i; j++)
			if (all->list[j].lowers && seen++ == step)
				return &all->list[j];
		i = first;
	}
	for (size_t i = 0; i < all->count;) {
		size_t end = i;
		while (end < all->count && all->list[end].level == all->list[i].level)
			end++;
		for (size_t j = end; j-- > i;)
			if (!all->list[j].lowers && seen++ == step)
				return &all->list[j];
		i = end;
	}
	return NULL;
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
 * Make one level what it shall be. A create that fails because a value was refused leaves the group, and the value's own
 * message is the better one.
 *
 * A level that was there may have other sessions in it, and these may use more than a limit that the policy has lowered
 * meanwhile, which the kernel then refuses. That is for `carrelctl apply`, and no reason to refuse a login.
 */
static int ensure_level(struct cgroup_tree *tree, struct cgroup_level *level, bool was_there,
			struct carrel_error *err)
{
	struct carrel_error making = { 0 };
	struct cgroup_values values;
	struct changes all = { 0 };
	int made = 0;

	int r = cgroup_values(tree, level, &values, err);
	if (r < 0)
		return r;
	if (!is_complete(tree, level->name))
		made = make_group(tree, level->name, level, &values, &making);
	if (made < 0 && !cgroup_exists(tree, level->name))
		return error_set(err, making.code, "%s", making.msg);
	r = find_changes(tree, level, &all, err);
	for (struct change *c; r == 0 && (c = in_order(&all, all.done)); all.done++) {
		r = carry_out(tree, c, err);
		if (r < 0 && was_there && r != -ENOTSUP) {
			snprintf(level->pending, sizeof(level->pending), "%.190s", err->msg);
			r = 0;
		}
	}
	free(all.list);
	return r;
}

int cgroup_create(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		  struct carrel_error *err)
{
	struct cgroup_level *session = &levels[count - 1];
	bool was_there[CGROUP_LEVELS_MAX];
	int r = -ENOENT;

	for (size_t i = 0; i < count; i++)
		was_there[i] = is_complete(tree, levels[i].name);
	/* Where the create makes the parents, it is left to it: that costs half. */
	size_t first = has_v2(tree) ? 0 : count - 1;
	/*
	 * The last session of a user, or of a budget, removes the level above it at any moment up to our making of one below, and
	 * then that comes without its limits. So look once more when it can no longer go.
	 */
	for (int attempt = 0; attempt < CREATE_ATTEMPTS && r < 0; attempt++) {
		r = has_v2(tree) ? make_parents(tree, levels[0].name, err) : 0;
		for (size_t i = first; i < count && r == 0; i++)
			r = ensure_level(tree, &levels[i], was_there[i], err);
		if (cgroup_exists(tree, session->name))
			break;
	}
	for (size_t i = 0; i + 1 < count && r == 0; i++)
		r = ensure_level(tree, &levels[i], was_there[i], err);
	if (r < 0)
		cgroup_remove(tree, session->name, 0, NULL);
	return r;
}

/* --- changing live ones --- */

int cgroup_change(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count, bool partly,
		  struct carrel_error *err)
{
	struct changes all = { 0 };
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		if (cgroup_exists(tree, levels[i].name))
			r = find_changes(tree, &levels[i], &all, err);
	int refused = 0;
	for (struct change *c; r == 0 && (c = in_order(&all, all.done));) {
		r = carry_out(tree, c, err);
		if (r < 0 && partly) {
			snprintf(c->level->pending, sizeof(c->level->pending), "%.190s", err->msg);
			refused++;
			r = 0;
		}
		all.done += r == 0;
	}
	int done = (int)all.done - refused;
	while (r < 0 && all.done > 0) {
		const struct change *c = in_order(&all, --all.done);
		(void)write_value(c->level->name, &c->value, as_written(c), NULL);
	}
	free(all.list);
	return r < 0 ? r : done;
}
