/*
 * pattern.c - whom a line of the policy means: "name", "@group", "uid:2000-2999", "*". Pure.
 */
#include "config_internal.h"

#include <errno.h>
#include <string.h>

#define NAME_MAX_BYTES 255

/*
 * Names are those of the host, directory services included ("DOMAIN\user", "user@site", "domain users"), so
 * only what passwd(5) cannot hold and what looks like another kind of pattern is refused.
 */
static bool is_account_name(const char *name)
{
	size_t length = strlen(name);

	if (!length || length > NAME_MAX_BYTES || strchr("-%!@ ", name[0]) || name[length - 1] == ' ')
		return false;
	for (const char *p = name; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f || strchr(":/*?,\"", *p))
			return false;
	}
	return name[strspn(name, "0123456789")] != '\0';
}

static bool parse_uid(const char **text, uid_t *uid)
{
	const char *p = *text;
	uint64_t sum = 0;

	for (; *p >= '0' && *p <= '9' && sum <= UINT32_MAX; p++)
		sum = sum * 10 + (uint64_t)(*p - '0');
	if (p == *text || sum >= UINT32_MAX) /* (uid_t)-1 is nobody's */
		return false;
	*text = p;
	*uid = (uid_t)sum;
	return true;
}

/* "2000" or "2000-2999" */
static bool parse_uids(const char *text, struct pattern *pattern)
{
	if (!parse_uid(&text, &pattern->first))
		return false;
	pattern->last = pattern->first;
	if (*text == '-') {
		text++;
		if (!parse_uid(&text, &pattern->last))
			return false;
	}
	return !*text && pattern->first <= pattern->last;
}

int pattern_parse(const char *text, struct pattern *pattern, struct carrel_error *err)
{
	pattern->text = text;
	if (strcmp(text, "*") == 0) {
		pattern->kind = PATTERN_ANYBODY;
		return 0;
	}
	if (strncmp(text, "uid:", 4) == 0) {
		pattern->kind = PATTERN_UIDS;
		if (parse_uids(text + 4, pattern))
			return 0;
		return error_set(err, EINVAL, "'%.64s' is not a range of uids such as \"uid:2000-2999\"",
				 text);
	}
	pattern->kind = text[0] == '@' ? PATTERN_GROUP : PATTERN_USER;
	pattern->name = pattern->kind == PATTERN_GROUP ? text + 1 : text;
	if (is_account_name(pattern->name))
		return 0;
	if (*text && text[strspn(text, "0123456789")] == '\0')
		return error_set(err, EINVAL, "'%.64s' is not a user name (a uid is written \"uid:%.20s\")",
				 text, text);
	return error_set(err, EINVAL, "'%.64s' is none of \"name\", \"@group\", \"uid:FIRST-LAST\", \"*\"",
			 text);
}

static bool in_group(const struct user_facts *user, const char *name)
{
	for (char **group = user->groups; group && *group; group++) {
		if (strcmp(*group, name) == 0)
			return true;
	}
	return false;
}

bool pattern_matches(const struct pattern *pattern, const struct user_facts *user)
{
	switch (pattern->kind) {
	case PATTERN_ANYBODY:
		return true;
	case PATTERN_USER:
		return strcmp(pattern->name, user->name) == 0;
	case PATTERN_GROUP:
		return in_group(user, pattern->name);
	case PATTERN_UIDS:
		return user->uid >= pattern->first && user->uid <= pattern->last;
	}
	return false;
}
