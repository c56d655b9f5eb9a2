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

static size_t add_rows(char *buf, size_t size, size_t n, const char *level, const struct usage_row *rows,
		       size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct usage_text text;
		usage_row_text(&rows[i], &text);
		n = add_line(buf, size, n, level, rows[i].resource, &text);
	}
	return n;
}

size_t limits_format(char *buf, size_t size, const struct usage *levels, int count,
		     const struct usage_row *disk)
{
	static const struct usage_text headings = { "USED", "LIMIT", "PEAK", "THROTTLED" };
	size_t n = add_line(buf, size, 0, "LEVEL", "RESOURCE", &headings);

	for (int level = 0; level < count; level++) {
		struct usage_row rows[USAGE_ROWS];

		usage_rows(&levels[level], rows);
		n = add_rows(buf, size, n, usage_level_names[level], rows, USAGE_ROWS);
		if (level == USAGE_USER && disk)
			n = add_rows(buf, size, n, usage_level_names[level], disk, USAGE_DISK_ROWS);
	}
	return n;
}
