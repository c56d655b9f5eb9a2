/*
 * policy.c - config + user facts -> policy: see policy.h. Pure; the keeper calls it on every login, `carrelctl
 * explain` to show the same answer.
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "config_internal.h"

/* --- who is covered --- */

static const struct pattern *find_match(const struct pattern_list *list, const struct user_facts *user)
{
	for (size_t i = 0; i < list->count; i++) {
		if (pattern_matches(&list->items[i], user))
			return &list->items[i];
	}
	return NULL;
}

static size_t key_of(const char *group, const char *name)
{
	size_t i = 0;

	for (; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		bool same_group = group && key->group ? strcmp(group, key->group) == 0 : group == key->group;

		if (same_group && strcmp(key->name, name) == 0)
			break;
	}
	return i;
}

/* Patterns were checked when they were read, so all of `why` is text that a terminal can show, but for UTF-8. */
static void say_why(struct policy *policy, const char *list, const struct pattern *pattern)
{
	policy->origin[key_of(NULL, list)] = pattern->origin;
	snprintf(policy->why, sizeof(policy->why), "matches %s '%.60s' (%.150s:%u)", list, pattern->text,
		 pattern->origin.file, pattern->origin.line);
}

static void decide_covered(const struct config *config, const struct user_facts *user, struct policy *policy)
{
	const struct pattern *exempt = find_match(&config->exempt, user);
	const struct pattern *covers = find_match(&config->covers, user);

	policy->covered = false;
	if (user->uid == 0) {
		snprintf(policy->why, sizeof(policy->why), "uid 0 is never covered");
	} else if (exempt) {
		say_why(policy, "exempt", exempt);
	} else if (covers) {
		say_why(policy, "covers", covers);
		policy->covered = true;
	} else {
		snprintf(policy->why, sizeof(policy->why), "%s",
			 config->covers.count ? "matches nothing in covers" : "covers names nobody");
	}
}

/* --- values --- */

static bool is_host_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
	       c == '.';
}

/* Put %u and %h into a template; cut off at the length a host name may have (hostname(7)). */
static void expand_hostname(const char *template, const struct user_facts *user, char out[65])
{
	size_t used = 0;

	for (const char *p = template; *p; p++) {
		char single[2] = { *p, '\0' };
		const char *part = single;

		if (*p == '%' && p[1]) {
			p++;
			part = *p == 'u' ? user->name : (user->host ? user->host : "");
		}
		for (; *part && used < 64; part++) {
			char c = is_host_char(*part) ? *part : '-';

			/* No name starts with a dash or a dot. */
			if (used || (c != '-' && c != '.'))
				out[used++] = c;
		}
	}
	while (used && (out[used - 1] == '-' || out[used - 1] == '.'))
		used--;
	out[used] = '\0';
	if (!used)
		memcpy(out, "sandbox", sizeof("sandbox"));
}

/* Store one value; config_keys.c asserts the size of the choices. */
static void store(const struct config_value *value, const struct user_facts *user, struct policy *policy)
{
	const struct config_key *key = &config_keys[value->key];

	policy->origin[value->key] = value->origin;
	if (key->offset == CONFIG_NOT_STORED)
		return;
	char *target = (char *)policy + key->offset;
	switch (key->type) {
	case KEY_BOOL:
		memcpy(target, &value->flag, sizeof(value->flag));
		break;
	case KEY_CHOICE:
		memcpy(target, &value->choice, sizeof(value->choice));
		break;
	case KEY_SIZE:
	case KEY_COUNT:
	case KEY_TIME:
	case KEY_CPUS:
	case KEY_CAPS:
		memcpy(target, &value->number, sizeof(value->number));
		break;
	case KEY_STRING:
		memcpy(target, &value->text, sizeof(value->text));
		break;
	case KEY_NAMES:
		memcpy(target, &value->names, sizeof(value->names));
		break;
	case KEY_TEMPLATE:
		expand_hostname(value->text, user, target);
		break;
	case KEY_TABLE:
	case KEY_PATTERNS:
		break;
	}
}

static void store_all(const struct value_list *values, const struct user_facts *user, struct policy *policy)
{
	for (size_t i = 0; i < values->count; i++)
		store(&values->items[i], user, policy);
}

/* --- contradictions: each value is good alone --- */

/* Version 1 cgroups limit memory and swap together: there is no limit of swap alone. */
static int check_swap(const struct policy *policy, struct carrel_error *err)
{
	const struct origin *memory = &policy->origin[key_of("limits", "memory")];

	if (policy->limits.memory != UNIT_NONE || policy->limits.swap == UNIT_NONE)
		return 0;
	return error_set(err, EINVAL,
			 "%.200s:%u: 'limits.memory' is \"max\", so 'limits.swap' must be \"max\" as well",
			 memory->file ? memory->file : "built-in", memory->line);
}

int policy_decide(const struct config *config, const struct user_facts *user, struct policy *policy,
		  struct carrel_error *err)
{
	memset(policy, 0, sizeof(*policy));
	store_all(&config->defaults, user, policy);
	for (size_t i = 0; i < config->rule_count; i++) {
		if (find_match(&config->rules[i].match, user))
			store_all(&config->rules[i].values, user, policy);
	}
	decide_covered(config, user, policy);
	/* Whom the policy does not cover it cannot harm, however wrong it is. */
	return policy->covered ? check_swap(policy, err) : 0;
}
