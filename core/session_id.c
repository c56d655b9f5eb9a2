/*
 * session_id.c - the form of a session's ID: "<uid>-<8 lower-case hex digits>". See session.h.
 *
 * Apart from session.c because carrel-shell, which is static and small, needs this and nothing more.
 */
#include <string.h>

#include "session.h"

#define RANDOM_DIGITS 8

/* The digits at the start of `id` as a uid, and where they end; NULL when they are not one. */
static const char *parse_uid(const char *id, uid_t *uid)
{
	uint64_t value = 0;
	const char *p = id;

	if (*p == '0' && p[1] != '-')
		return NULL; /* one way only to write a number, or two IDs could mean one user */
	for (; *p >= '0' && *p <= '9'; p++) {
		value = value * 10 + (uint64_t)(*p - '0');
		if (value >= UINT32_MAX) /* (uid_t)-1 is nobody's */
			return NULL;
	}
	*uid = (uid_t)value;
	return p == id ? NULL : p;
}

bool session_id_valid(const char *id)
{
	uid_t uid;
	const char *rest = parse_uid(id, &uid);

	return rest && *rest == '-' && strspn(rest + 1, "0123456789abcdef") == RANDOM_DIGITS &&
	       rest[1 + RANDOM_DIGITS] == '\0';
}

uid_t session_id_uid(const char *id)
{
	uid_t uid = (uid_t)-1;

	(void)parse_uid(id, &uid);
	return uid;
}
