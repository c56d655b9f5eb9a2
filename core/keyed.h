/*
 * keyed.h - small files of "key=value" lines, described by one table of fields for both directions.
 *
 * Only root writes them, but what is in them comes from users and files, so they are read as strictly as they
 * are written: every field once, in any order, nothing else, no control character anywhere. An optional field may
 * be missing: then it stays as it was in the object, and an empty or zero one is not written.
 */
#ifndef CARREL_KEYED_H
#define CARREL_KEYED_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "error.h"

#define KEYED_MAX 4096 /* bytes of such a file, with the NUL */

enum keyed_type {
	KEYED_STRING, /* char[size], NUL-terminated */
	KEYED_NUMBER, /* an unsigned or never negative integer of 4 or 8 bytes */
};

struct keyed_field {
	const char *key;
	enum keyed_type type;
	size_t offset;
	size_t size;
	bool optional;
};

#define KEYED_FIELD(object, member, kind)                                           \
	{                                                                           \
		.key = #member, .type = (kind), .offset = offsetof(object, member), \
		.size = sizeof(((object *)0)->member),                              \
	}

#define KEYED_OPTIONAL(object, member, kind)                                        \
	{                                                                           \
		.key = #member, .type = (kind), .offset = offsetof(object, member), \
		.size = sizeof(((object *)0)->member), .optional = true,            \
	}

/*
 * Write `object` to buf. Strings are escaped as text_escape does and cut to the size of their field, so that
 * they fit when they are read back (escaped they stay). Returns the length or -EFBIG.
 */
ssize_t keyed_format(char *buf, size_t size, const struct keyed_field *fields, size_t count,
		     const void *object);

/* Fill `object` from text, which is changed. -EBADMSG with a message that names the line. */
int keyed_parse(char *text, const struct keyed_field *fields, size_t count, void *object,
		struct carrel_error *err);

#endif
