/* live_user.c - see live_user.h. */
#include "live_user.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/state.h"
#include "core/units.h"
#include "core/usage.h"
#include "core/user.h"
#include "core/wire.h"
#include "ctl.h"

#define LOCK_TIMEOUT_MS 10000
#define TELL_TIMEOUT_MS 5000

int live_user_look(struct live_user *user, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int n = session_list(user->facts.uid, &ids, err);

	free(user->sessions);
	user->sessions = NULL;
	user->count = 0;
	if (n <= 0)
		return n;
	user->sessions = calloc((size_t)n, sizeof(*user->sessions));
	if (!user->sessions)
		return error_errno(err, "cannot allocate");
	for (int i = 0; i < n; i++) {
		struct session_record *record = &user->sessions[user->count];

		/* The groups of one that is being set up may be half made: it gets the new values by itself (keeper/ceiling.h). */
		if (session_alive(ids[i], NULL) == 1 && session_read(ids[i], record, NULL) == 0 &&
		    record->init)
			user->count++;
	}
	return 0;
}

int live_user_get(const char *name, const struct config *config, struct live_user *user,
		  struct carrel_error *err)
{
	memset(user, 0, sizeof(*user));
	int r = user_facts_get(name, &user->facts, err);
	if (r == 0)
		r = live_user_look(user, err);
	if (r == 0)
		r = policy_decide(config, &user->facts, &user->policy, err);
	if (r < 0)
		live_user_clear(user);
	return r;
}

void live_user_clear(struct live_user *user)
{
	free(user->sessions);
	user_facts_clear(&user->facts);
	memset(user, 0, sizeof(*user));
}

int live_user_lock(const struct live_user *user, struct carrel_error *err)
{
	return state_lock_uid(user->facts.uid, LOCK_TIMEOUT_MS, err);
}

size_t live_levels_max(const struct live_user *user)
{
	return user->count + CGROUP_LEVELS_MAX - 1;
}

size_t live_levels(const struct live_user *user, struct cgroup_level *levels)
{
	size_t used = 0;

	for (size_t i = 0; i < user->count; i++) {
		struct cgroup_level own[CGROUP_LEVELS_MAX];
		size_t n = cgroup_levels(&user->policy, user->sessions[i].cgroup, own);

		/* All are below the same, see keeper/slot.c. */
		for (size_t j = i == 0 ? 0 : n - 1; j < n; j++)
			levels[used++] = own[j];
	}
	return used;
}

/* Version 2 takes such a limit, and makes it true. Version 1 refuses it when it cannot. */
void live_warn_of_use(struct cgroup_tree *tree, const struct cgroup_level *levels, size_t count)
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

void live_warn_of_skipped(const struct cgroup_level *levels, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (*levels[i].skipped)
			ctl_warning("'%s': not enforced here: %s", levels[i].name, levels[i].skipped);
}

static void add_rule(char *word, size_t size, const char *name, uint64_t milliseconds)
{
	size_t used = strlen(word);

	if (milliseconds == UNIT_NONE)
		(void)snprintf(word + used, size - used, " %s=off", name);
	else
		(void)snprintf(word + used, size - used, " %s=%" PRIu64, name, milliseconds);
}

int live_tell_rules(const struct live_user *user, struct carrel_error *err)
{
	const struct session_rules *rules = &user->policy.session;
	char word[128] = CONTROL_RULES, answer[CONTROL_MAX];
	int failed = 0;

	add_rule(word, sizeof(word), "idle", rules->idle);
	add_rule(word, sizeof(word), "lifetime", rules->lifetime);
	add_rule(word, sizeof(word), "warn", rules->warn);
	for (size_t i = 0; i < user->count; i++) {
		struct carrel_error why = { 0 };
		int r = session_ask(user->sessions[i].id, word, answer, sizeof(answer), TELL_TIMEOUT_MS,
				    &why);

		if (r == -ETIMEDOUT)
			ctl_warning("%s: it may not have the new rules", why.msg);
		else if (r < 0 && r != -ENOENT && failed == 0)
			failed = error_set(err, why.code, "%s", why.msg);
	}
	return failed;
}
