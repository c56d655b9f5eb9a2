/*
 * apply.c - `carrelctl apply`: every live session takes the limits that the config has now, and what `carrelctl set` changed is
 * forgotten.
 *
 * A value that the kernel refuses stays as it was, is named with its user, and makes the exit status 1; the others, and those of the
 * others, are changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/state.h"
#include "ctl.h"
#include "live_user.h"

struct everybody {
	struct live_user *users;
	size_t count, sessions, with_sessions;
	int failed;
};

/* The name as the account has it: that in a session's record is escaped, and may be cut. 0 or -errno. */
static int find_name(uid_t uid, struct state_owner *owner, struct carrel_error *err)
{
	_cleanup_close_ int fd = state_open(uid);

	return fd < 0 ? error_set(err, -fd, "cannot open '" CARREL_USERS "/%u': %s", uid, strerror(-fd))
		      : state_read_owner(fd, owner, err);
}

/* Users with sessions. */
static int find_users(struct everybody *all, const struct config *config, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int n = session_list((uid_t)-1, &ids, err);
	uid_t last = 0;

	if (n <= 0)
		return n;
	all->users = calloc((size_t)n, sizeof(*all->users));
	if (!all->users)
		return error_errno(err, "cannot allocate");
	for (int i = 0; i < n; i++) {
		struct state_owner owner;
		struct carrel_error why = { 0 };
		struct live_user *user = &all->users[all->count];
		uid_t uid = session_id_uid(ids[i]);

		if (uid == last || session_alive(ids[i], NULL) != 1)
			continue;
		last = uid;
		if (find_name(uid, &owner, &why) < 0) {
			ctl_error("the sessions of uid %u stay as they are: %s", uid, why.msg);
			all->failed++;
		} else if (live_user_get(owner.name, config, user, &why) < 0) {
			ctl_error("the sessions of '%s' stay as they are: %s", owner.name, why.msg);
			all->failed++;
		} else if (user->facts.uid != uid || !user->policy.covered ||
			   user->policy.mode != MODE_ENFORCE) {
			ctl_warning("the sessions of '%s' stay as they are: the policy does not cover them "
				    "any more",
				    owner.name);
			live_user_clear(user);
		} else {
			all->count++;
		}
	}
	return 0;
}

static size_t depth(const char *name)
{
	size_t slashes = 0;

	for (; *name; name++)
		slashes += *name == '/';
	return slashes;
}

/* Those of one budget, one user, one session together, each group once. */
static int compare_levels(const void *a, const void *b)
{
	const struct cgroup_level *la = a, *lb = b;
	size_t da = strlen(la->label), db = strlen(lb->label); /* "group_limits", "user_limits", "limits" */

	if (da != db)
		return da > db ? -1 : 1;
	da = depth(la->name), db = depth(lb->name);
	return da != db ? (da < db ? -1 : 1) : strcmp(la->name, lb->name);
}

static size_t all_levels(const struct everybody *all, struct cgroup_level *levels)
{
	size_t count = 0, kept = 0;

	for (size_t i = 0; i < all->count; i++)
		count += live_levels(&all->users[i], levels + count);
	qsort(levels, count, sizeof(*levels), compare_levels);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || strcmp(levels[kept - 1].name, levels[i].name) != 0)
			levels[kept++] = levels[i];
	return kept;
}

static bool is_budget(const struct cgroup_level *level)
{
	return strcmp(level->label, "group_limits") == 0;
}

/* What a value that was refused, or could not be tried, is about: a budget, or one of a user's groups. */
static void report(struct everybody *all, const struct cgroup_level *level, const char *user)
{
	if (!*level->pending)
		return;
	if (user)
		ctl_error("user '%s': '%s': %s", user, level->name, level->pending);
	else
		ctl_error("'%s': %s", level->name, level->pending);
	all->failed++;
}

/*
 * Of everybody at once, since only so there is an order in which the kernel takes all of it: no group may have more processors than the
 * one above. It is said what became of the budgets; the users' own groups are gone through once more (change_user). How many values were
 * changed, or -errno.
 */
static int change_all(struct everybody *all, struct cgroup_tree *tree, struct carrel_error *err)
{
	size_t room = 1;

	for (size_t i = 0; i < all->count; i++)
		room += live_levels_max(&all->users[i]);
	struct cgroup_level *levels = calloc(room, sizeof(*levels));
	if (!levels)
		return error_errno(err, "cannot allocate");
	size_t count = all_levels(all, levels), budgets = 0;
	live_warn_of_use(tree, levels, count);
	int r = cgroup_change(tree, levels, count, true, err);
	for (size_t i = 0; i < count; i++) {
		if (!is_budget(&levels[i]))
			continue;
		budgets++;
		report(all, &levels[i], NULL);
		live_warn_of_skipped(&levels[i], 1);
	}
	free(levels);
	return r < 0 && !budgets ? 0 : r;
}

/*
 * One user's groups, without the budget, with their lock: here the sessions do not change, and what `set` saved is gone before its limits
 * are, as set.c has it. How many values were changed, or -errno.
 */
static int change_user(struct everybody *all, struct live_user *user, struct cgroup_tree *tree,
		       struct carrel_error *err)
{
	_cleanup_close_ int lock = live_user_lock(user, err);
	int r = lock < 0 ? lock : override_save(user->facts.uid, "", err);
	if (r == 0)
		r = live_user_look(user, err);
	if (r < 0)
		return r;
	struct cgroup_level *levels = calloc(live_levels_max(user), sizeof(*levels));
	if (!levels)
		return error_errno(err, "cannot allocate");
	size_t count = live_levels(user, levels), first = 0;
	while (first < count && is_budget(&levels[first]))
		first++;
	r = cgroup_change(tree, levels + first, count - first, true, err);
	for (size_t i = first; r >= 0 && i < count; i++)
		report(all, &levels[i], user->facts.name);
	if (r >= 0)
		live_warn_of_skipped(levels + first, count - first);
	free(levels);
	return r;
}

/* What one user's sessions cannot have keeps nobody else from what they can. How many values were changed. */
static int change_limits(struct everybody *all)
{
	struct carrel_error failure = { 0 };
	struct cgroup_tree *tree = NULL;

	if (cgroup_tree_open(&tree, &failure) < 0) {
		ctl_fail(&failure);
		all->failed++;
		return 0;
	}
	int failed = all->failed, r = change_all(all, tree, &failure);
	int changed = r < 0 ? 0 : r;
	for (size_t i = 0; i < all->count; i++) {
		struct live_user *user = &all->users[i];
		struct carrel_error err = { 0 };

		int one = change_user(all, user, tree, &err);
		if (one == -ENOENT) { /* neither files nor sessions by now */
			user->count = 0;
			continue;
		}
		int told = one < 0 ? one : live_tell_rules(user, &err);
		if (told < 0) {
			ctl_error("user '%s': %s", user->facts.name, err.msg);
			all->failed++;
		}
		changed += one < 0 ? 0 : one;
		all->sessions += user->count;
		all->with_sessions += user->count > 0;
	}
	/* Unless it was one user's, and is said. */
	if (r < 0 && all->failed == failed) {
		ctl_fail(&failure);
		all->failed++;
	}
	cgroup_tree_free(tree);
	return changed;
}

int verb_apply(const struct ctl_args *args)
{
	struct everybody all = { 0 };
	struct carrel_error err = { 0 };
	struct config *config = NULL;

	/* Marked before it is looked who is there: a login that is not seen then has read the config that is there now, or sees the mark. */
	int changed = 0, r = config_load(CARREL_CONF, &config, NULL, NULL, &err);
	if (r == 0)
		r = override_mark_apply(&err);
	if (r == 0)
		r = find_users(&all, config, &err);
	if (r == 0) {
		if (all.count)
			changed = change_limits(&all);
		all.failed += apply_storage(config);
		printf("%zu session%s of %zu user%s, %d value%s changed\n", all.sessions,
		       all.sessions == 1 ? "" : "s", all.with_sessions, all.with_sessions == 1 ? "" : "s",
		       changed, changed == 1 ? "" : "s");
	} else {
		ctl_fail(&err);
	}
	for (size_t i = 0; i < all.count; i++)
		live_user_clear(&all.users[i]);
	free(all.users);
	config_free(config);
	return r < 0 || all.failed ? CTL_FAILED : CTL_DONE;
}
