/*
 * live_user.h - users who have sessions, with the policy that holds for them now: what `set` and `apply` change.
 */
#ifndef CARREL_CTL_LIVE_USER_H
#define CARREL_CTL_LIVE_USER_H

#include <stddef.h>

#include "core/cgroup.h"
#include "core/config.h"
#include "core/policy.h"
#include "core/session.h"

struct live_user {
	struct user_facts facts;
	struct policy policy; /* of the config alone; borrows from it */
	struct session_record *sessions;
	size_t count; /* of sessions that are set up and live */
};

/* The user's live sessions and policy. Sessions come and go unless the user's lock is held. With none, count is 0. Free with live_user_clear. 0, or -errno. */
int live_user_get(const char *name, const struct config *config, struct live_user *user,
		  struct carrel_error *err);
void live_user_clear(struct live_user *user);

/*
 * Look for the user's live sessions again, with the lock. After override_save() or override_mark_apply(): those that are found can be
 * changed, and the others will see that they have to change. 0, or -errno.
 */
int live_user_look(struct live_user *user, struct carrel_error *err);

/* Lock the user's state, so that nobody logs in or out meanwhile. Descriptor or -errno. */
int live_user_lock(const struct live_user *user, struct carrel_error *err);

/*
 * The user's groups, top-down: the budget's, the user's, each session's. `levels` has room for live_levels_max; they borrow
 * user->policy. Returns how many.
 */
size_t live_levels_max(const struct live_user *user);
size_t live_levels(const struct live_user *user, struct cgroup_level *levels);

/* Warn of memory limits below what is in use, where the kernel takes such a limit and makes it true: before they are changed. */
void live_warn_of_use(struct cgroup_tree *tree, const struct cgroup_level *levels, size_t count);

/* Warn of the optional limits that were left out: after they were changed. */
void live_warn_of_skipped(const struct cgroup_level *levels, size_t count);

/*
 * Tell the keepers the session rules of the policy: without the user's lock, for which a keeper that is at the end of its session
 * waits. A session that has ended meanwhile needs none, and of one that does not answer is warned. 0, or the first -errno.
 */
int live_tell_rules(const struct live_user *user, struct carrel_error *err);

#endif
