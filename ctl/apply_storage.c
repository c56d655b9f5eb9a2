/*
 * apply_storage.c - the part of `carrelctl apply` for user_limits.disk and .inodes: unlike the others they hold for users without
 * a session, too, and taking in files that are there already may take longer than a login may.
 */
#include <errno.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/policy.h"
#include "core/session.h"
#include "core/state.h"
#include "core/storage.h"
#include "core/user.h"
#include "core/vault.h"
#include "ctl.h"
#include "rootfs.h"

#define LOCK_TIMEOUT_MS 10000

struct everybody {
	const struct config *config;
	int failed;
};

static int apply_locked(const struct rootfs *rootfs, const struct limits *limits, char *note,
			struct carrel_error *err)
{
	_cleanup_close_ int fd = state_lock(rootfs->users_fd, rootfs->dir, LOCK_TIMEOUT_MS, err);
	int r = fd < 0 ? fd : 0;

	if (r == -ENOENT)
		return 0; /* removed, or kept aside, in between */
	/* Whoever made it is gone, since the lock is ours; and no session starts while there is one. */
	if (r == 0 && change_pending(fd)) {
		r = vault_release(rootfs->uid, err);
		if (r == 0)
			r = change_recover(fd, rootfs->uid, err);
		if (r == 0)
			(void)change_sweep(fd, rootfs->uid, NULL);
	}
	return r < 0 ? r : storage_apply_locked(fd, rootfs->uid, limits, true, note, err);
}

/* As a login does: whatever of a session whose keeper was killed still runs must not find its files moved. */
static int clear_stale(uid_t uid, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int r = 0, n = session_list(uid, &ids, err);

	for (int i = 0; i < n && r >= 0; i++) {
		r = session_alive(ids[i], err);
		if (r == 0)
			r = gc_close_session(ids[i], err);
	}
	return n < 0 ? n : r < 0 ? r : 0;
}

/* What is not as the config says is counted and has been said; the next one is done all the same. */
static int apply_to(struct rootfs *rootfs, void *arg, struct carrel_error *ignored)
{
	struct everybody *all = arg;
	struct user_facts facts = { 0 };
	struct carrel_error err = { 0 };
	struct policy policy = { 0 };
	char note[CARREL_ERROR_MAX] = "", safe[128];

	if (rootfs->kept || !rootfs->owner.name[0] || rootfs->owner.uid != rootfs->uid)
		return 0;
	int r = user_facts_get(rootfs->owner.name, &facts, &err);
	if (r == -ENOENT)
		return 0; /* an account that is gone */
	if (r == 0)
		r = policy_decide(all->config, &facts, &policy, &err);
	if (r == 0 && policy.covered && policy.mode == MODE_ENFORCE && facts.uid == rootfs->uid) {
		r = clear_stale(rootfs->uid, &err);
		if (r == 0)
			r = apply_locked(rootfs, &policy.user_limits, note, &err);
	}
	user_facts_clear(&facts);
	rootfs_user(rootfs, safe, sizeof(safe));
	if (*note)
		ctl_warning("'%s': %s", safe, note);
	/* See rootfs_settle() of the keeper. */
	bool refused = r == -EBUSY && policy.rootfs != ROOTFS_EPHEMERAL && policy_required_storage(&policy) &&
		       session_count_live(rootfs->uid, NULL) > 0;
	if (r == -EBUSY)
		ctl_warning("'%s': %s%s", safe, err.msg, refused ? "; no other is opened before that" : "");
	else if (r < 0)
		ctl_error("'%s': %s", safe, err.msg);
	all->failed += r < 0 && r != -EBUSY;
	return 0;
}

int apply_storage(const struct config *config)
{
	struct everybody all = { .config = config };
	struct carrel_error err = { 0 };

	if (rootfs_each(apply_to, &all, &err) < 0) {
		ctl_fail(&err);
		all.failed++;
	}
	return all.failed;
}
