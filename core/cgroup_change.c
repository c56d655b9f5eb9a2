/*
 * cgroup_change.c - values of groups changed, of new ones and of live ones; see cgroup_settle in cgroup_internal.h and
 * cgroup_change in cgroup.h. As root, on the host.
 *
 * Values are written by libcgroup and read back from the kernel's own file: each after it is written, and all of them once more at
 * the end. A value may undo another one (BFQ forgets the weights of disks when the one for all is written), and one may be possible only
 * after another (more processors, below a level that got more), and a login and carrelctl may write one value at once: so this is
 * repeated until nothing differs.
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

#define ROUNDS	 5 /* a level may have to wait for each of the two above it */
#define ATTEMPTS 3

struct change {
	struct cgroup_level *level;
	struct cgroup_value value;
	char old[CGROUP_TEXT_MAX];
	bool lowers;
	bool written; /* what `old` is goes back when all or nothing is to be changed */
	bool done;
	bool stays; /* it is as it was, for a reason that has been told */
};

struct changes {
	struct change *list;
	size_t count;
};

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

/* As it is written, what was read: v1 shows its "no limit" as a number, and a line that is not there is none. */
static const char *as_written(const struct change *c)
{
	return *c->value.device && !*c->old ? c->value.none : c->old;
}

/*
 * Whether a memory limit of v2 would end processes: where v1 refuses what is below the use, v2 kills until it is true. To that a
 * login has no right.
 */
static bool would_kill(struct cgroup_tree *tree, const struct change *c)
{
	char used[32];

	return c->lowers && strcmp(c->value.file, "memory.max") == 0 &&
	       cgroup_read(tree, "memory", c->level->name, "memory.current", used, sizeof(used)) > 0 &&
	       strtoull(used, NULL, 10) > c->value.number;
}

/* 0, -EAGAIN when another value than was written is there, or -errno. */
static int carry_out(struct cgroup_tree *tree, struct change *c, enum cgroup_mercy mercy,
		     struct carrel_error *err)
{
	struct carrel_error why = { 0 };

	if (mercy == CGROUP_LENIENT && would_kill(tree, c))
		return error_set(err, EBUSY, "limit '%s.%s' stays higher: more than that is in use",
				 c->level->label, c->value.key);
	int r = write_value(c->level->name, &c->value, c->value.text, &why);
	if (r == -EBUSY && strcmp(c->value.controller, "memory") == 0)
		return error_set(
			err, EBUSY,
			"limit '%s.%s' was refused: more than that is in use and the kernel cannot free it",
			c->level->label, c->value.key);
	if (r < 0)
		return error_set(err, -r, "limit '%s.%s' was refused: %s", c->level->label, c->value.key,
				 why.msg);
	c->written = true;
	r = value_holds(tree, c->level, &c->value, err);
	return r == 1 ? 0 : r == 0 ? -EAGAIN : r;
}

/* --- what may stay as it is --- */

/* Whether a group is gone, or going: a session that ends takes it out of one hierarchy of v1 after the other. */
static bool is_gone(struct cgroup_tree *tree, const char *name)
{
	char path[CGROUP_PATH_MAX];

	for (size_t i = 0; i < tree->count; i++)
		if (cgroup_path(path, name, "cgroup.procs", NULL) == 0 &&
		    faccessat(tree->controllers[i].mount_fd, path, F_OK, 0) < 0)
			return true;
	return false;
}

static bool may_stay(struct cgroup_level *level, enum cgroup_mercy mercy, const struct carrel_error *why)
{
	if (mercy == CGROUP_STRICT || why->code == ENOMEM ||
	    (mercy == CGROUP_LENIENT && why->code == ENOTSUP))
		return false;
	if (!*level->pending)
		snprintf(level->pending, sizeof(level->pending), "%.190s", why->msg);
	return true;
}

/*
 * What depends on a limit of memory stays with it on v1: that of TCP buffers, which is a part of it, and that of memory and swap
 * together, which may not be below it.
 */
static void leave(struct cgroup_tree *tree, struct changes *all, struct change *c)
{
	bool alone = strcmp(c->value.controller, "memory") != 0 || cgroup_is_v2(tree, "memory");

	c->stays = true;
	for (size_t i = 0; i < all->count && !alone; i++) {
		struct change *other = &all->list[i];
		if (other->level == c->level && strcmp(other->value.controller, "memory") == 0 &&
		    !other->done)
			other->stays = true;
	}
}

static bool stays(const struct changes *all, const struct cgroup_level *level,
		  const struct cgroup_value *value)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct change *c = &all->list[i];
		if (c->stays && c->level == level && strcmp(c->value.file, value->file) == 0 &&
		    strcmp(c->value.device, value->device) == 0)
			return true;
	}
	return false;
}

/* --- what differs --- */

/* In one group. What could be found is there also when something could not. */
static int find_changes(struct cgroup_tree *tree, struct cgroup_level *level, const struct changes *all,
			struct changes *found, struct carrel_error *err)
{
	struct cgroup_values values;
	char now[CGROUP_TEXT_MAX];

	int r = cgroup_values(tree, level, &values, err);
	for (size_t i = 0; i < values.count; i++) {
		const struct cgroup_value *v = &values.list[i];
		int read = cgroup_value_read(tree, level->name, v, now);
		if (read < 0 && !cgroup_skip(level, v->key))
			r = error_set(r < 0 ? NULL : err, ENOTSUP,
				      "limit '%s.%s' cannot be enforced: no %s here", level->label, v->key,
				      v->file);
		if (read < 0 || cgroup_value_holds(v, now) || stays(all, level, v))
			continue;
		struct change c = { .level = level, .value = *v, .lowers = cgroup_value_lowers(v, now) };
		memcpy(c.old, now, sizeof(now));
		if (array_append(&found->list, &found->count, &c, sizeof(c)) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	return r;
}

/*
 * The group may go meanwhile, and the user's next login make it anew, with its limits: where something is missing, look again before
 * that is an error.
 */
static int look_at(struct cgroup_tree *tree, struct cgroup_level *level, enum cgroup_mercy mercy,
		   const struct changes *all, struct changes *found, struct carrel_error *err)
{
	size_t before = found->count;
	struct carrel_error why = { 0 };
	int r = -ENOENT;

	for (int attempt = 0; attempt < ATTEMPTS && r < 0; attempt++) {
		found->count = before;
		if (is_gone(tree, level->name)) {
			level->skipped[0] = '\0';
			return 0;
		}
		r = find_changes(tree, level, all, found, &why);
	}
	return r == 0 || may_stay(level, mercy, &why) ? 0 : error_set(err, why.code, "%s", why.msg);
}

/*
 * The order of all changes: what lowers, from the leaves up (levels come top-down) and in a group in its own order; then
 * what raises, the other way.
 */
static int append_in_order(struct changes *all, const struct changes *found)
{
	int r = 0;

	for (size_t end = found->count, first; end > 0 && r == 0; end = first) {
		for (first = end; first > 0 && found->list[first - 1].level == found->list[end - 1].level;)
			first--;
		for (size_t i = first; i < end && r == 0; i++)
			if (found->list[i].lowers)
				r = array_append(&all->list, &all->count, &found->list[i],
						 sizeof(*all->list));
	}
	for (size_t first = 0, end; first < found->count && r == 0; first = end) {
		for (end = first; end < found->count && found->list[end].level == found->list[first].level;)
			end++;
		for (size_t i = end; i-- > first && r == 0;)
			if (!found->list[i].lowers)
				r = array_append(&all->list, &all->count, &found->list[i],
						 sizeof(*all->list));
	}
	return r;
}

static int look(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count, enum cgroup_mercy mercy,
		struct changes *all, struct carrel_error *err)
{
	struct changes found = { 0 };
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = look_at(tree, &levels[i], mercy, all, &found, err);
	if (r == 0 && append_in_order(all, &found) < 0)
		r = error_set(err, ENOMEM, "out of memory");
	free(found.list);
	return r;
}

/* --- all of it --- */

/* `again`: there is another round. A value that is not the one written may be somebody else's, who was at it at the same moment. */
static int change_one(struct cgroup_tree *tree, struct changes *all, struct change *c,
		      enum cgroup_mercy mercy, bool again, struct carrel_error *err)
{
	struct carrel_error why = { 0 };

	if (c->stays)
		return 0;
	int r = carry_out(tree, c, mercy, &why);
	c->done = r == 0;
	if (r == 0 || (r == -EAGAIN && again))
		return 0;
	leave(tree, all, c);
	/* That more is in use is not that it cannot be enforced here. */
	if (is_gone(tree, c->level->name) || (r != -EBUSY && cgroup_skip(c->level, c->value.key)) ||
	    may_stay(c->level, mercy, &why))
		return 0;
	return error_set(err, why.code, "%s", why.msg);
}

/* Those from `first` on have been carried out more than once, and differ again. */
static int give_up(struct changes *all, size_t first, enum cgroup_mercy mercy, struct carrel_error *err)
{
	for (size_t i = first; i < all->count; i++) {
		struct change *c = &all->list[i];
		struct carrel_error why = { 0 };
		error_set(&why, ENOTSUP, "limit '%s.%s' was not accepted: %s does not stay '%s'",
			  c->level->label, c->value.key, c->value.file, c->value.text);
		if (!cgroup_skip(c->level, c->value.key) && !may_stay(c->level, mercy, &why))
			return error_set(err, why.code, "%s", why.msg);
	}
	return 0;
}

int cgroup_settle(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		  enum cgroup_mercy mercy, struct carrel_error *err)
{
	struct changes all = { 0 };
	int r = 0, done = 0;

	for (size_t i = 0; i < count; i++)
		levels[i].pending[0] = '\0';
	for (int round = 0; r == 0; round++) {
		size_t first = all.count;
		r = look(tree, levels, count, mercy, &all, err);
		if (r < 0 || all.count == first)
			break;
		if (round == ROUNDS) {
			r = give_up(&all, first, mercy, err);
			break;
		}
		for (size_t i = first; i < all.count && r == 0; i++)
			r = change_one(tree, &all, &all.list[i], mercy, round + 1 < ROUNDS, err);
	}
	for (size_t i = all.count; i-- > 0;) {
		const struct change *c = &all.list[i];
		done += c->done;
		if (r < 0 && c->written && mercy == CGROUP_STRICT)
			(void)write_value(c->level->name, &c->value, as_written(c), NULL);
	}
	free(all.list);
	return r < 0 ? r : done;
}

int cgroup_change(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count, bool partly,
		  struct carrel_error *err)
{
	return cgroup_settle(tree, levels, count, partly ? CGROUP_PARTLY : CGROUP_STRICT, err);
}
