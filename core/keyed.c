/* keyed.c - see keyed.h. Pure. */
#include "keyed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define FIELDS_MAX 64 /* one bit each in a uint64_t */

static uint64_t get_number(const void *at, size_t size)
{
	uint32_t narrow;
	uint64_t wide;

	if (size == sizeof(narrow)) {
		memcpy(&narrow, at, size);
		return narrow;
	}
	memcpy(&wide, at, sizeof(wide));
	return wide;
}

static bool is_unset(const struct keyed_field *field, const char *at)
{
	return field->type == KEYED_NUMBER ? get_number(at, field->size) == 0 : !*at;
}

ssize_t keyed_format(char *buf, size_t size, const struct keyed_field *fields, size_t count,
		     const void *object)
{
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		const char *at = (const char *)object + fields[i].offset;
		char value[512];
		int r;

		if (fields[i].optional && is_unset(&fields[i], at))
			continue;
		if (fields[i].type == KEYED_NUMBER) {
			r = text_format(buf + used, size - used, "%s=%llu\n", fields[i].key,
					(unsigned long long)get_number(at, fields[i].size));
		} else {
			size_t room = fields[i].size < sizeof(value) ? fields[i].size : sizeof(value);
			text_escape(value, room, at);
			r = text_format(buf + used, size - used, "%s=%s\n", fields[i].key, value);
		}
		if (r < 0)
			return -EFBIG;
		used += strlen(buf + used);
	}
	return (ssize_t)used;
}

static int set_number(void *at, size_t size, const char *value)
{
	uint64_t number = 0;

	if (!*value || (value[0] == '0' && value[1]))
		return -EBADMSG;
	for (; *value; value++) {
		if (*value < '0' || *value > '9' || __builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*value - '0'), &number))
			return -EBADMSG;
	}
	if (size == sizeof(uint32_t)) {
		uint32_t narrow = (uint32_t)number;
		if (narrow != number)
			return -EBADMSG;
		memcpy(at, &narrow, size);
		return 0;
	}
	memcpy(at, &number, sizeof(number));
	return 0;
}

static int set_string(char *at, size_t size, const char *value)
{
	size_t length = strlen(value);

	if (length >= size)
		return -EBADMSG;
	for (size_t i = 0; i < length; i++) {
		if (value[i] < 0x20 || value[i] > 0x7e)
			return -EBADMSG;
	}
	memcpy(at, value, length + 1);
	return 0;
}

/* Returns the field's index, or -EBADMSG. */
static int parse_line(char *line, const struct keyed_field *fields, size_t count, void *object)
{
	char *equals = strchr(line, '=');

	if (!equals)
		return -EBADMSG;
	*equals = '\0';
	for (size_t i = 0; i < count; i++) {
		char *at = (char *)object + fields[i].offset;
		if (strcmp(line, fields[i].key) != 0)
			continue;
		int r = fields[i].type == KEYED_NUMBER ? set_number(at, fields[i].size, equals + 1)
						       : set_string(at, fields[i].size, equals + 1);
		return r < 0 ? r : (int)i;
	}
	return -EBADMSG;
}

int keyed_parse(char *text, const struct keyed_field *fields, size_t count, void *object,
		struct carrel_error *err)
{
	uint64_t seen = 0;

	if (count > FIELDS_MAX)
		return error_set(err, EINVAL, "more than %d fields", FIELDS_MAX);
	for (unsigned number = 1; *text; number++) {
		char *end = strchr(text, '\n');
		if (!end)
			return error_set(err, EBADMSG, "line %u has no end", number);
		*end = '\0';
		int i = parse_line(text, fields, count, object);
		if (i < 0 || (seen & (UINT64_C(1) << i)))
			return error_set(err, EBADMSG, "line %u is not right", number);
		seen |= UINT64_C(1) << i;
		text = end + 1;
	}
	for (size_t i = 0; i < count; i++) {
		if (!fields[i].optional && !(seen & (UINT64_C(1) << i)))
			return error_set(err, EBADMSG, "there is no '%s'", fields[i].key);
	}
	return 0;
}
