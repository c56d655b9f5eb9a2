/* ceiling.c - see ceiling.h. Run by the keeper, as root, on the host. */
#include "ceiling.h"

#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/override.h"
#include "rootfs.h"
#include "slot.h"

/*
 * The config and what was set, as they are now. Only limits and rules are taken over: of the rest some is in use. What else the policy
 * borrows is of the config as it was, which therefore stays.
 */
static int decide_again(struct keeper *k, const struct override_stamp *stamp, struct carrel_error *err)
{
	struct config *config = NULL;
	struct policy now = { 0 };

	int r = config_load(k->request.conf, &config, NULL, NULL, err);
	if (r == 0)
		r = policy_decide(config, &k->user, &now, err);
	if (r < 0)
		return r;
	k->config = config;
	k->stamp = *stamp;
	/* Who is not covered any more keeps the session, as those keep theirs who are logged in. */
	if (!now.covered || now.mode != MODE_ENFORCE)
		return 0;
	r = override_load(k->user.uid, &now, NULL, err);
	if (r < 0)
		return r;
	k->policy.limits = now.limits;
	k->policy.user_limits = now.user_limits;
	k->policy.group_limits = now.group_limits;
	memcpy(k->policy.group, now.group, sizeof(now.group));
	k->policy.optional = now.optional;
	k->policy.session = now.session;
	return 0;
}

int ceiling_decide(struct keeper *k, struct carrel_error *err)
{
	struct override_stamp stamp;

	override_stamp(k->user.uid, &stamp);
	if (!override_stamp_equal(&stamp, &k->stamp))
		return decide_again(k, &stamp, err);
	return override_load(k->user.uid, &k->policy, NULL, err);
}

static void log_levels(const struct keeper *k, const struct cgroup_level *levels, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (*levels[i].skipped)
			log_send("carrel-keeper", LOG_WARNING, "session '%s' of '%s': not enforced here: %s",
				 k->record.id, k->user.name, levels[i].skipped);
		if (*levels[i].pending)
			log_send("carrel-keeper", LOG_WARNING,
				 "session '%s' of '%s': %s ('carrelctl apply' tries again)", k->record.id,
				 k->user.name, levels[i].pending);
	}
}

int ceiling_make(struct keeper *k, struct carrel_error *err)
{
	struct cgroup_level levels[CGROUP_LEVELS_MAX];
	size_t count = cgroup_levels(&k->policy, k->record.cgroup, levels);

	int r = cgroup_tree_open(&k->cgroups, err);
	if (r == 0)
		r = cgroup_create(k->cgroups, levels, count, err);
	if (r < 0)
		return r;
	log_levels(k, levels, count);
	k->cgroup_fds_count = cgroup_open_entry(k->cgroups, k->record.cgroup, k->cgroup_fds, err);
	return k->cgroup_fds_count < 0 ? k->cgroup_fds_count : 0;
}

/* What others use may keep a level above from being lowered; the session itself has no such excuse. */
static int change_levels(struct keeper *k, struct carrel_error *err)
{
	struct cgroup_level levels[CGROUP_LEVELS_MAX];
	size_t count = cgroup_levels(&k->policy, k->record.cgroup, levels);

	int r = cgroup_change(k->cgroups, levels, count, true, err);
	if (r < 0)
		return r;
	log_levels(k, levels, count);
	return *levels[count - 1].pending ? error_set(err, EBUSY, "%s", levels[count - 1].pending) : 0;
}

static int settle_again(struct keeper *k, struct carrel_error *err)
{
	int r = fs_lock(k->lock_fd, k->request.timeout * 1000);

	if (r < 0)
		return error_set(err, -r, "cannot lock the files of '%s': %s", k->user.name, strerror(-r));
	r = ceiling_decide(k, err);
	if (r == 0)
		r = change_levels(k, err);
	/* What mounting the storage has made true was true for the limits of before. */
	k->storage_mounted = false;
	if (r == 0)
		r = rootfs_settle(k, err);
	slot_unlock(k);
	return r;
}

int ceiling_settle(struct keeper *k, struct carrel_error *err)
{
	struct override_stamp stamp;

	int r = rootfs_settle(k, err);
	override_stamp(k->user.uid, &stamp);
	if (r == 0 && !override_stamp_equal(&stamp, &k->stamp))
		r = settle_again(k, err);
	close_fd(&k->storage_fd);
	return r;
}
