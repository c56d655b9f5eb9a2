/*
 * policy_optional.c - which limits a policy would do without: see policy.h. Pure.
 *
 * Apart from policy.c because cgroup_value.c needs this and not the config.
 */
#include <string.h>

#include "cleanup.h"
#include "policy.h"

bool policy_is_optional(const char *const *optional, const char *label)
{
	for (const char *const *name = optional; name && *name; name++)
		if (strcmp(*name, label) == 0)
			return true;
	return false;
}

const char *policy_required_storage(const struct policy *policy)
{
	const struct {
		const char *label;
		uint64_t value;
	} limits[] = {
		{ "user_limits.disk", policy->user_limits.disk },
		{ "user_limits.inodes", policy->user_limits.inodes },
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (limits[i].value != UNIT_NONE && !policy_is_optional(policy->optional, limits[i].label))
			return limits[i].label;
	return NULL;
}
