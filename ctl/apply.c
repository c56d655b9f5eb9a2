/*
 * apply.c - `carrelctl apply`: every live session takes the limits that the config has now, and what `carrelctl set` changed is
 * forgotten.
 *
 * A value that the kernel refuses stays as it was, is named, and makes the exit status 1; the others are changed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/session.h"
#include "ctl.h"
#include "live_user.h"

struct everybody {
	struct live_user *users;
	size_t count, sessions;
	int failed;
};

/* The names of users with sessions, by a record of each: the first of an ID's uid. */
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
		struct session_record record;
		struct carrel_error why = { 0 };
		struct live_user *user = &all->users[all->count];

		if (session_id_uid(ids[i]) == last || session_alive(ids[i], NULL) != 1 ||
		    session_read(ids[i], &record, NULL) < 0)
			continue;
		last = record.uid;
		if (live_user_get(record.user, config, user, &why) < 0) {
			ctl_error("the sessions of '%s' stay as they are: %s", record.user, why.msg);
			all->failed++;
		} else if (user->facts.uid != record.uid || !user->policy.covered ||
			   user->policy.mode != MODE_ENFORCE) {
			ctl_warning("the sessions of '%s' stay as they are: the policy does not cover them "
				    "any more",
				    record.user);
			live_user_clear(user);
		} else {
			all->sessions += user->count;
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

static int change_limits(struct everybody *all, struct carrel_error *err)
{
	struct cgroup_tree *tree = NULL;
	size_t room = 1;

	for (size_t i = 0; i < all->count; i++)
		room += live_levels_max(&all->users[i]);
	struct cgroup_level *levels = calloc(room, sizeof(*levels));
	if (!levels)
		return error_errno(err, "cannot allocate");
	int r = cgroup_tree_open(&tree, err);
	size_t count = r == 0 ? all_levels(all, levels) : 0;
	if (r == 0)
		r = cgroup_change(tree, levels, count, true, err);
	for (size_t i = 0; i < count; i++) {
		if (*levels[i].pending) {
			ctl_error("'%s': %s", levels[i].name, levels[i].pending);
			all->failed++;
		}
		if (*levels[i].skipped)
			ctl_warning("'%s': not enforced here: %s", levels[i].name, levels[i].skipped);
	}
	cgroup_tree_free(tree);
	free(levels);
	return r;
}

static void forget_overrides(struct everybody *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct carrel_error err = { 0 };
		_cleanup_close_ int lock = live_user_lock(&all->users[i], &err);

		if (lock < 0 || override_save(all->users[i].facts.uid, "", &err) < 0 ||
		    live_tell_rules(&all->users[i], &err) < 0) {
			ctl_fail(&err);
			all->failed++;
		}
	}
}

int verb_apply(const struct ctl_args *args)
{
	struct everybody all = { 0 };
	struct carrel_error err = { 0 };
	struct config *config = NULL;

	int r = config_load(CARREL_CONF, &config, NULL, NULL, &err);
	if (r == 0)
		r = find_users(&all, config, &err);
	if (r == 0)
		r = change_limits(&all, &err);
	if (r >= 0)
		forget_overrides(&all);
	if (r >= 0)
		all.failed += apply_storage(config);
	if (r < 0)
		ctl_fail(&err);
	else
		printf("%zu session%s of %zu user%s, %d value%s changed\n", all.sessions,
		       all.sessions == 1 ? "" : "s", all.count, all.count == 1 ? "" : "s", r,
		       r == 1 ? "" : "s");
	for (size_t i = 0; i < all.count; i++)
		live_user_clear(&all.users[i]);
	free(all.users);
	config_free(config);
	return r < 0 || all.failed ? CTL_FAILED : CTL_DONE;
}
