/*
 * rootfs_adopt.c - `carrelctl rootfs adopt`: an account gets back a state that was taken for another one's.
 *
 * In this order, so that whatever cuts it off the same command goes on, with the number of the user once the state is in its place: the
 * state belongs to the account; the history of what is there goes aside with it; the two change places (core/state.h); the history of
 * the state comes back. The block of ids stays with each.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/account.h"
#include "core/cleanup.h"
#include "core/faults.h"
#include "core/text.h"
#include "core/user.h"
#include "ctl.h"
#include "rootfs.h"

/* `state` is what is adopted, `now` what is in its place: the same one when only its owner is to be another, or none. */
struct adoption {
	struct user_facts user;
	struct rootfs state, now;
	bool in_place, replaces;
};

static int find(struct adoption *a, const struct ctl_args *args, struct carrel_error *err)
{
	int r = user_facts_get(args->words[0], &a->user, err);
	if (r == 0)
		r = rootfs_find(&a->state, args->words[1], err);
	if (r < 0)
		return r;
	if (a->state.uid != a->user.uid)
		return error_set(err, EINVAL, "'%s' is of uid %u, and '%s' has uid %u", a->state.dir,
				 a->state.uid, a->user.name, a->user.uid);
	a->in_place = !a->state.kept;
	r = a->in_place ? -ENOENT : rootfs_find_uid(&a->now, a->user.uid, err);
	a->replaces = r == 0;
	return r == -ENOENT ? 0 : r;
}

/* Nobody uses either, and nobody will before we are done. */
static int lock_both(struct adoption *a, bool kill, struct carrel_error *err)
{
	int r = a->replaces ? rootfs_take(&a->now, kill, err) : 0;

	return r < 0 ? r : rootfs_take(&a->state, kill, err);
}

static int write_owner(const struct adoption *a, struct carrel_error *err)
{
	struct state_owner owner = a->state.owner;

	owner.uid = a->user.uid;
	if (text_format(owner.name, sizeof(owner.name), "%s", a->user.name) < 0)
		return error_set(err, ENAMETOOLONG, "the name of uid %u is too long", a->user.uid);
	if (!owner.since)
		owner.since = (uint64_t)time(NULL); /* it could not be read */
	account_find_home(a->user.home, &owner.home);
	return state_write_owner(a->state.lock_fd, &owner, err);
}

static int exchange(struct adoption *a, int faults, struct carrel_error *err)
{
	char aside[STATE_NAME_MAX], safe[sizeof(aside) * 4];
	struct state_owner *owner = &a->now.owner;
	int r = a->replaces ? faults_keep(faults, a->user.uid, a->now.lock_fd, err) : 0;

	owner->uid = a->user.uid;
	if (r == 0)
		r = state_adopt(a->state.users_fd, a->state.dir, a->user.uid, a->replaces ? owner : NULL,
				aside, err);
	if (r == 0 && a->replaces)
		printf("what '%s' had until now is kept aside as '%s'\n", a->user.name,
		       text_escape(safe, sizeof(safe), aside));
	return r;
}

static int adopt(struct adoption *a, const struct ctl_args *args)
{
	struct carrel_error err = { 0 };

	if (find(a, args, &err) < 0)
		return ctl_fail(&err);
	int status = ctl_confirm(args, a->user.name,
				 a->in_place
					 ? "the root filesystem becomes this account's."
					 : "the root filesystem takes the place of what the user has now, "
					   "which is kept aside.");
	if (status)
		return status;
	_cleanup_close_ int faults = faults_open(&err);
	int r = faults < 0 ? faults : lock_both(a, args->options & CTL_KILL, &err);
	if (r == 0)
		r = write_owner(a, &err);
	if (r == 0 && !a->in_place)
		r = exchange(a, faults, &err);
	if (r == 0)
		r = faults_give_back(faults, a->user.uid, a->state.lock_fd, &err);
	return r < 0 ? ctl_fail(&err) : CTL_DONE;
}

int verb_rootfs_adopt(const struct ctl_args *args)
{
	struct adoption a = { .state = ROOTFS_NONE, .now = ROOTFS_NONE };
	int status = adopt(&a, args);

	user_facts_clear(&a.user);
	rootfs_close(&a.state);
	rootfs_close(&a.now);
	return status;
}
