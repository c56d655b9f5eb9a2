/*
 * policy.c - config + user facts -> policy: see policy.h. Pure; the keeper calls it on every login, `carrelctl
 * explain` to show the same answer.
 */
#include "policy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "cgroup.h"
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

/* Patterns were checked when they were read, so all of `why` is text that a terminal can show, but for UTF-8. */
static void say_why(struct policy *policy, const char *list, const struct pattern *pattern)
{
	policy->origin[config_key_find(NULL, list)] = pattern->origin;
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
	if (key->type == KEY_TEMPLATE)
		expand_hostname(value->text, user, (char *)policy + key->offset);
	else
		config_value_store(key, value, policy);
}

static void store_all(const struct value_list *values, const struct user_facts *user, struct policy *policy)
{
	for (size_t i = 0; i < values->count; i++)
		store(&values->items[i], user, policy);
}

/* --- the budget that a rule's users share --- */

static bool is_group_limit(const struct config_value *value)
{
	const char *group = config_keys[value->key].group;

	return group && strcmp(group, "group_limits") == 0;
}

static bool has_budget(const struct rule *rule)
{
	for (size_t i = 0; i < rule->values.count; i++)
		if (is_group_limit(&rule->values.items[i]))
			return true;
	return false;
}

/*
 * The name of a rule's group: what it matches, as far as a cgroup's name can say it. Where it cannot, or not
 * all, a hash of the whole (FNV-1a) tells it from others.
 */
static void name_budget(const struct rule *rule, char name[GROUP_NAME_MAX])
{
	static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._-";
	const size_t room = GROUP_NAME_MAX - sizeof("-01234567");
	size_t used = (size_t)snprintf(name, GROUP_NAME_MAX, GROUP_PREFIX);
	bool whole = rule->match.count == 1;
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < rule->match.count; i++) {
		for (const char *p = rule->match.items[i].text;; p++) {
			hash = (hash ^ (unsigned char)(*p ? *p : ',')) * 16777619u;
			if (!*p)
				break;
			whole = whole && strchr(good, *p) && used < room;
			if (used < room)
				name[used++] = strchr(good, *p) ? *p : '-';
		}
	}
	snprintf(name + used, GROUP_NAME_MAX - used, whole ? "" : "-%08x", hash);
}

/* A budget holds as a whole: a user is in that of the last rule which has one, and in no other's. */
static void enter_budget(const struct config *config, const struct rule *rule, const struct user_facts *user,
			 struct policy *policy)
{
	for (size_t i = 0; i < config_keys_count; i++)
		if (is_group_limit(&config->defaults.items[i]))
			store(&config->defaults.items[i], user, policy);
	name_budget(rule, policy->group);
}

/* --- contradictions: each value is good alone --- */

/* Version 1 cgroups limit memory and swap together: there is no limit of swap alone. */
static int check_swap(const struct policy *policy, const char *group, const struct limits *limits,
		      struct carrel_error *err)
{
	const struct origin *memory = &policy->origin[config_key_find(group, "memory")];

	if (limits->memory != UNIT_NONE || limits->swap == UNIT_NONE)
		return 0;
	return error_set(err, EINVAL,
			 "%.200s:%u: '%s.memory' is \"max\", so '%s.swap' must be \"max\" as well",
			 memory->file ? memory->file : "built-in", memory->line, group, group);
}

char *policy_inner_home(const struct policy *policy, const struct user_facts *user, char *buf, size_t size)
{
	snprintf(buf, size, policy->login_as == LOGIN_ROOT ? "/root" : "/home/%s", user->name);
	return buf;
}

int policy_check(const struct policy *policy, struct carrel_error *err)
{
	int r = check_swap(policy, "limits", &policy->limits, err);

	if (r == 0)
		r = check_swap(policy, "user_limits", &policy->user_limits, err);
	return r < 0 ? r : check_swap(policy, "group_limits", &policy->group_limits, err);
}

int policy_decide(const struct config *config, const struct user_facts *user, struct policy *policy,
		  struct carrel_error *err)
{
	memset(policy, 0, sizeof(*policy));
	store_all(&config->defaults, user, policy);
	for (size_t i = 0; i < config->rule_count; i++) {
		const struct rule *rule = &config->rules[i];

		if (!find_match(&rule->match, user))
			continue;
		if (has_budget(rule))
			enter_budget(config, rule, user, policy);
		store_all(&rule->values, user, policy);
	}
	decide_covered(config, user, policy);
	/* Whom the policy does not cover it cannot harm, however wrong it is. */
	int r = policy->covered ? policy_check(policy, err) : 0;
	return r == 0 && policy->covered ? bind_check_policy(policy, user, err) : r;
}
