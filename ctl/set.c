/* set.c - `carrelctl set USER KEY=VALUE…`: other limits for a user's sessions, at once, until the last has ended. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/override.h"
#include "core/paths.h"
#include "core/storage.h"
#include "core/text.h"
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

/* Sets *rules when one is of the session rules, which the keepers have to be told of. */
static int set_words(struct policy *policy, const struct ctl_args *args, char text[OVERRIDE_TEXT_MAX],
		     bool *rules, struct carrel_error *err)
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
		*rules = *rules || strcmp(config_keys[key].group, "session") == 0;
		int r = replace_line(text, config_key_label(&config_keys[key], label), equals + 1, err);
		if (r < 0)
			return r;
	}
	return policy_check(policy, err);
}

/*
 * All or nothing: whatever can be refused is tried before the first thing that cannot. It is saved first, since that is how a login that
 * is at its own limits at this moment sees that they have changed (core/override.h).
 */
static int change(struct live_user *user, const char *text, struct carrel_error *err)
{
	int r = override_save(user->facts.uid, text, err);
	if (r == 0)
		r = live_user_look(user, err);
	if (r < 0)
		return r;
	struct cgroup_level *levels = calloc(live_levels_max(user), sizeof(*levels));
	struct cgroup_tree *tree = NULL;
	if (!levels)
		return error_errno(err, "cannot allocate");
	size_t count = live_levels(user, levels);
	r = cgroup_tree_open(&tree, err);
	if (r == 0) {
		live_warn_of_use(tree, levels, count);
		r = cgroup_change(tree, levels, count, false, err);
	}
	if (r >= 0)
		live_warn_of_skipped(levels, count);
	cgroup_tree_free(tree);
	free(levels);
	return r;
}

static int change_storage(int lock, const struct live_user *user, struct carrel_error *err)
{
	char note[CARREL_ERROR_MAX];

	int r = storage_apply_locked(lock, user->facts.uid, &user->policy.user_limits, false, note, err);
	return r == 0 && *note ? error_set(err, EBUSY, "%s", note) : r;
}

/* With the lock. How many values were changed, or -errno. */
static int set_locked(int lock, struct live_user *user, const struct ctl_args *args, bool *rules,
		      struct carrel_error *err)
{
	char before[OVERRIDE_TEXT_MAX], text[OVERRIDE_TEXT_MAX];

	int r = override_load(user->facts.uid, &user->policy, before, err);
	const struct policy old = user->policy;
	memcpy(text, before, sizeof(text));
	if (r == 0)
		r = set_words(&user->policy, args, text, rules, err);
	if (r < 0)
		return r;
	const struct limits *now = &user->policy.user_limits;
	bool storage = old.user_limits.disk != now->disk || old.user_limits.inodes != now->inodes;
	int changed = change(user, text, err);
	/* Last, since what has become larger cannot always become smaller again. */
	r = changed < 0 ? changed : storage ? change_storage(lock, user, err) : 0;
	if (r == 0)
		return changed + storage;
	user->policy = old;
	if (changed < 0)
		(void)override_save(user->facts.uid, before, NULL);
	else
		(void)change(user, before, NULL);
	return r;
}

static int no_session(struct live_user *user, const struct ctl_args *args, struct carrel_error *err)
{
	char text[OVERRIDE_TEXT_MAX] = "";
	bool rules = false;

	if (set_words(&user->policy, args, text, &rules, err) < 0)
		return -err->code;
	return error_set(err, ENOENT, "user '%s' has no session (limits of later ones are the config's)",
			 user->facts.name);
}

static int look(const char *name, struct config **config, struct live_user *user, struct carrel_error *err)
{
	live_user_clear(user);
	config_free(*config);
	*config = NULL;
	int r = config_load(CARREL_CONF, config, NULL, NULL, err);
	return r < 0 ? r : live_user_get(name, *config, user, err);
}

/* Nobody logs in or out, and nothing is applied, between what is looked at under the lock and what is changed. */
static int set(struct config **config, struct live_user *user, const struct ctl_args *args,
	       struct carrel_error *err)
{
	bool rules = false;

	int r = look(args->words[0], config, user, err);
	if (r < 0)
		return r;
	if (user->count == 0)
		return no_session(user, args, err);
	int lock = live_user_lock(user, err);
	if (lock < 0)
		return lock;
	r = look(args->words[0], config, user, err);
	if (r == 0)
		r = user->count == 0 ? no_session(user, args, err)
				     : set_locked(lock, user, args, &rules, err);
	close(lock);
	/* A keeper that ends its session waits for the lock, and answers nobody meanwhile. */
	if (r >= 0 && rules) {
		int told = live_tell_rules(user, err);
		r = told < 0 ? told : r;
	}
	return r;
}

int verb_set(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct config *config = NULL;
	struct live_user user = { 0 };

	int r = set(&config, &user, args, &err);
	int status = r < 0 ? ctl_fail(&err) : CTL_DONE;
	if (r >= 0)
		printf("%s: %zu session%s, %d value%s changed\n", user.facts.name, user.count,
		       user.count == 1 ? "" : "s", r, r == 1 ? "" : "s");
	live_user_clear(&user);
	config_free(config);
	return status;
}
