/* limits_text.c - the text of /run/carrel/limits: see limits.h. Pure. */
#include <stdio.h>

#include "limits.h"

/* Appends, and stays below `size`. */
static size_t add_line(char *buf, size_t size, size_t n, const char *level, const char *resource,
		       const struct usage_text *text)
{
	int written = snprintf(buf + n, size - n, "%-8s %-8s %9s %9s %9s %9s\n", level, resource, text->used,
			       text->limit, text->peak, text->throttled);

	return written < 0 || (size_t)written >= size - n ? size - 1 : n + (size_t)written;
}

size_t limits_format(char *buf, size_t size, const struct usage *levels, int count)
{
	static const struct usage_text headings = { "USED", "LIMIT", "PEAK", "THROTTLED" };
	size_t n = add_line(buf, size, 0, "LEVEL", "RESOURCE", &headings);

	for (int level = 0; level < count; level++) {
		struct usage_row rows[USAGE_ROWS];

		usage_rows(&levels[level], rows);
		for (size_t i = 0; i < USAGE_ROWS; i++) {
			struct usage_text text;
			usage_row_text(&rows[i], &text);
			n = add_line(buf, size, n, usage_level_names[level], rows[i].resource, &text);
		}
	}
	return n;
}
