/* bind.c - see bind.h. Used by the parser of the config, the policy, and the keeper. */
#include "bind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "config_internal.h"
#include "fs.h"

/* --- one path --- */

static bool has_part(const char *text, const char *part)
{
	size_t length = strlen(part);

	for (const char *p = text; (p = strstr(p, part)); p++)
		if (p[length] == '/' || !p[length])
			return true;
	return false;
}

static const char *check_path(const char *text)
{
	size_t length = strlen(text);

	if (text[0] != '/')
		return "must be an absolute path";
	if (length > BIND_PATH_MAX)
		return "is too long";
	if (has_part(text, "/..") || has_part(text, "/."))
		return "must not contain '.' or '..'";
	if (strstr(text, "//") || (length > 1 && text[length - 1] == '/'))
		return "must not contain '//' or end with '/'";
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "must not contain control characters";
		if (*p == '%' && *++p != 'u')
			return "may have %u (the user) in it, and no other '%'";
	}
	return NULL;
}

const char *bind_check_source(const char *text)
{
	const char *wrong = check_path(text);

	return wrong || text[1] ? wrong : "must not be '/'";
}

const char *bind_check_target(const char *text)
{
	/* Made anew in every sandbox, and relied upon by what confines it. */
	static const char *const whole[] = { "/proc", "/sys", "/dev", "/run", NULL };
	const char *wrong = check_path(text);

	if (wrong)
		return wrong;
	for (const char *const *top = whole; *top; top++)
		if (bind_path_within(text, *top))
			return "must not be in /proc, /sys, /dev or /run";
	return text[1] && strcmp(text, "/tmp") != 0 ? NULL : "must not be '/' or '/tmp'";
}

const char *bind_check_entry(const void *entry)
{
	const struct bind_mount *bind = entry;

	return bind->source && bind->target ? NULL : "needs a 'source' and a 'target'";
}

bool bind_path_within(const char *path, const char *top)
{
	size_t length = strlen(top);

	if (length == 1)
		return true;
	return strncmp(path, top, length) == 0 && (!path[length] || path[length] == '/');
}

int bind_expand(const char *text, const struct user_facts *user, char out[BIND_PATH_MAX + 1])
{
	size_t used = 0;

	for (const char *p = text; *p; p++) {
		char single[2] = { *p, '\0' };
		const char *part = single;

		if (*p == '%') {
			p++;
			part = user->name;
			if (!fs_is_component(part))
				return -EINVAL;
		}
		size_t length = strlen(part);
		if (used + length > BIND_PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(out + used, part, length);
		used += length;
	}
	out[used] = '\0';
	return 0;
}

/* --- all together --- */

/* Put in front where the setting is. */
static int blame(const struct policy *policy, const char *key, struct carrel_error *err)
{
	const struct origin *origin = &policy->origin[config_key_find(NULL, key)];

	error_context(err, "%.200s:%u", origin->file ? origin->file : "built-in", origin->line);
	return -EINVAL;
}

/* A target must not hide the home, nor what was mounted before it. */
static int check_target(const struct policy *policy, const struct user_facts *user,
			const struct bind_mount *bind, struct carrel_error *err)
{
	char target[BIND_PATH_MAX + 1], before[BIND_PATH_MAX + 1], home[INNER_HOME_MAX];

	policy_inner_home(policy, user, home, sizeof(home));
	/* The longer one is not needed here, but to see that it can be had. */
	if (bind_expand(bind->source, user, target) || bind_expand(bind->target, user, target))
		return error_set(err, EINVAL, "'binds': '%.64s' cannot be put into '%.100s'", user->name,
				 bind->target);
	if (bind_path_within(home, target))
		return error_set(err, EINVAL, "'binds': the target '%s' would hide the home", target);
	if (bind_path_within(target, home) && strcmp(target + strlen(home), "/.ssh") == 0)
		return error_set(err, EINVAL, "'binds': ~/.ssh is for 'share_ssh_dir'");
	for (const struct bind_mount *other = policy->binds; other != bind; other = other->next) {
		if (bind_expand(other->target, user, before) || !bind_path_within(before, target))
			continue;
		if (strcmp(before, target) == 0)
			return error_set(err, EINVAL, "'binds': the target '%s' is given twice", target);
		return error_set(err, EINVAL,
				 "'binds': the target '%.100s' would hide '%.100s': put it first", target,
				 before);
	}
	return 0;
}

int bind_check_policy(const struct policy *policy, const struct user_facts *user, struct carrel_error *err)
{
	/* Read-only, nosuid and nodev are attributes of mounts that belong to the sandbox. */
	bool may_remount = policy->capabilities & (UINT64_C(1) << CAP_SYS_ADMIN);

	if (may_remount && (policy->binds || policy->home == HOME_HOST)) {
		error_set(err, EINVAL,
			  "sys_admin in 'capabilities' does not go with %s: what is mounted could be changed "
			  "from inside",
			  policy->binds ? "'binds'" : "'home' = \"host\"");
		return blame(policy, "capabilities", err);
	}
	for (const struct bind_mount *bind = policy->binds; bind; bind = bind->next)
		if (check_target(policy, user, bind, err) < 0)
			return blame(policy, "binds", err);
	return 0;
}
