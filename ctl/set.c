/* set.c - `carrelctl set USER KEY=VALUE…`: other limits for a user's sessions, at once, until the last has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/storage.h"
#include "core/text.h"
#include "core/usage.h"
#include "ctl.h"
#include "live_user.h"

/* Put "LABEL=VALUE" to the lines in place of the one with the same label. */
static int replace_line(char text[OVERRIDE_TEXT_MAX], const char *label, const char *value,
			struct carrel_error *err)
{
	char before[OVERRIDE_TEXT_MAX], *save = NULL;
	size_t used = 0, length = strlen(label);

	memcpy(before, text, sizeof(before));
	text[0] = '\0';
	for (char *line = strtok_r(before, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (strncmp(line, label, length) == 0 && line[length] == '=')
			continue;
		used += (size_t)snprintf(text + used, OVERRIDE_TEXT_MAX - used, "%s\n", line);
	}
	if (text_format(text + used, OVERRIDE_TEXT_MAX - used, "%s=%s\n", label, value) < 0)
		return error_set(err, E2BIG, "too many values are set");
	return 0;
}

static int set_words(struct policy *policy, const struct ctl_args *args, char text[OVERRIDE_TEXT_MAX],
		     struct carrel_error *err)
{
	char label[CONFIG_LABEL_MAX], name[CONFIG_LABEL_MAX];

	for (int i = 1; i < args->count; i++) {
		const char *equals = strchr(args->words[i], '=');
		if (!equals || text_format(name, sizeof(name), "%.*s", (int)(equals - args->words[i]),
					   args->words[i]) < 0)
			return error_set(err, EINVAL, "'%.64s' is not KEY=VALUE, for example memory=1G",
					 args->words[i]);
		int key = override_set(policy, name, equals + 1, err);
		if (key < 0)
			return key;
		int r = replace_line(text, config_key_label(&config_keys[key], label), equals + 1, err);
		if (r < 0)
			return r;
	}
	return policy_check(policy, err);
}

/* Version 2 takes such a limit, and makes it true. Version 1 refuses it when it cannot. */
static void warn_of_use(struct cgroup_tree *tree, const struct cgroup_level *levels, size_t count)
{
	for (size_t i = 0; i < count && cgroup_is_v2(tree, "memory"); i++) {
		char used[32], limit[32];
		struct usage usage;

		if (usage_read(tree, levels[i].name, &usage, NULL) < 0 || usage.memory == UNIT_NONE ||
		    usage.memory <= levels[i].limits->memory)
			continue;
		ctl_warning("'%s' uses %s, more than %s: the kernel ends processes of it if it must",
			    levels[i].name, unit_format_size(used, sizeof(used), usage.memory & ~1023ull),
			    unit_format_size(limit, sizeof(limit), levels[i].limits->memory));
	}
}

/* All or nothing: whatever can be refused is tried before the first thing that cannot. */
static int change(struct live_user *user, const char *text, struct carrel_error *err)
{
	struct cgroup_level *levels = calloc(live_levels_max(user), sizeof(*levels));
	struct cgroup_tree *tree = NULL;

	if (!levels)
		return error_errno(err, "cannot allocate");
	int r = cgroup_tree_open(&tree, err);
	size_t count = r == 0 ? live_levels(user, levels) : 0;
	if (r == 0)
		warn_of_use(tree, levels, count);
	if (r == 0)
		r = cgroup_change(tree, levels, count, false, err);
	int changed = r;
	if (r >= 0)
		r = override_save(user->facts.uid, text, err);
	if (r >= 0)
		r = live_tell_rules(user, err);
	cgroup_tree_free(tree);
	free(levels);
	return r < 0 ? r : changed;
}

static int set(struct live_user *user, const struct ctl_args *args, struct carrel_error *err)
{
	char text[OVERRIDE_TEXT_MAX] = "", note[CARREL_ERROR_MAX];

	if (user->count == 0)
		return set_words(&user->policy, args, text, err) < 0
			       ? -err->code
			       : error_set(err, ENOENT,
					   "user '%s' has no session (limits of later ones are the config's)",
					   user->facts.name);
	_cleanup_close_ int lock = live_user_lock(user, err);
	if (lock < 0)
		return lock;
	const struct limits *now = &user->policy.user_limits;
	char before[OVERRIDE_TEXT_MAX];
	int r = override_load(user->facts.uid, &user->policy, text, err);
	const struct policy old = user->policy;
	memcpy(before, text, sizeof(before));
	if (r == 0)
		r = set_words(&user->policy, args, text, err);
	if (r < 0)
		return r;
	int changed = change(user, text, err);
	if (changed < 0 || (old.user_limits.disk == now->disk && old.user_limits.inodes == now->inodes))
		return changed;
	/* Last, since what has become larger cannot always become smaller again. */
	r = storage_apply_locked(lock, user->facts.uid, now, false, note, err);
	if (r == 0 && *note)
		r = error_set(err, EBUSY, "%s", note);
	if (r == 0)
		return changed + 1;
	user->policy = old;
	(void)change(user, before, NULL);
	return r;
}

int verb_set(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct config *config = NULL;
	struct live_user user = { 0 };

	int r = config_load(CARREL_CONF, &config, NULL, NULL, &err);
	if (r == 0)
		r = live_user_get(args->words[0], config, &user, &err);
	if (r == 0)
		r = set(&user, args, &err);
	int status = r < 0 ? ctl_fail(&err) : CTL_DONE;
	if (r >= 0)
		printf("%s: %zu session%s, %d value%s changed\n", user.facts.name, user.count,
		       user.count == 1 ? "" : "s", r, r == 1 ? "" : "s");
	live_user_clear(&user);
	config_free(config);
	return status;
}
