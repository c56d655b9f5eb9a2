/* top_cells.c - the columns of `carrelctl top` and their text: see top.h. Pure. */
#include <inttypes.h>
#include <stdio.h>

#include "core/units.h"
#include "top.h"

const struct top_column_info top_columns[TOP_COLUMNS] = {
	[TOP_COLUMN_ID] = { "id", "ID", 13, 0, false },
	[TOP_COLUMN_USER] = { "user", "USER", 8, 1, false },
	[TOP_COLUMN_SESSIONS] = { "sessions", "SESS", 4, 5, true },
	[TOP_COLUMN_MEMORY] = { "memory", "MEMORY", 11, 2, true },
	[TOP_COLUMN_CPU] = { "cpu", "CPU%", 5, 3, true },
	[TOP_COLUMN_PIDS] = { "pids", "PIDS", 6, 4, true },
	[TOP_COLUMN_READ] = { "read", "READ/s", 6, 8, true },
	[TOP_COLUMN_WRITTEN] = { "written", "WRITE/s", 7, 9, true },
	[TOP_COLUMN_THROTTLED] = { "throttled", "THR%", 5, 6, true },
	[TOP_COLUMN_AGE] = { "age", "AGE", 6, 10, true },
	[TOP_COLUMN_IDLE] = { "idle", "IDLE", 6, 7, true },
};

bool top_column_shown(enum top_column column, bool users)
{
	return users || column != TOP_COLUMN_SESSIONS;
}

static void format_tenths(char *buf, size_t size, uint64_t tenths)
{
	if (tenths == UNIT_NONE)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

static void format_of_limit(char *buf, size_t size, char *(*format)(char *, size_t, uint64_t), uint64_t used,
			    uint64_t limit)
{
	char left[24], right[24];

	format(left, sizeof(left), used);
	format(right, sizeof(right), limit);
	if (used == UNIT_NONE || limit == UNIT_NONE)
		snprintf(buf, size, "%s", left);
	else
		snprintf(buf, size, "%s/%s", left, right);
}

static char *format_count(char *buf, size_t size, uint64_t value)
{
	if (value == UNIT_NONE)
		snprintf(buf, size, "-");
	else
		snprintf(buf, size, "%" PRIu64, value);
	return buf;
}

char *top_cell(char *buf, size_t size, const struct top_row *row, enum top_column column)
{
	const struct top_entry *entry = row->entry;

	switch (column) {
	case TOP_COLUMN_ID:
		snprintf(buf, size, "%s", entry->id);
		break;
	case TOP_COLUMN_USER:
		snprintf(buf, size, "%s", *entry->user ? entry->user : "-");
		break;
	case TOP_COLUMN_SESSIONS:
		snprintf(buf, size, "%u", entry->sessions);
		break;
	case TOP_COLUMN_MEMORY:
		format_of_limit(buf, size, unit_format_about_size, row->memory, row->memory_limit);
		break;
	case TOP_COLUMN_CPU:
		format_tenths(buf, size, row->cpu);
		break;
	case TOP_COLUMN_PIDS:
		format_of_limit(buf, size, format_count, row->pids, row->pids_limit);
		break;
	case TOP_COLUMN_READ:
		unit_format_about_size(buf, size, row->read);
		break;
	case TOP_COLUMN_WRITTEN:
		unit_format_about_size(buf, size, row->written);
		break;
	case TOP_COLUMN_THROTTLED:
		format_tenths(buf, size, row->throttled);
		break;
	case TOP_COLUMN_AGE:
		unit_format_about_time(buf, size, row->age);
		break;
	case TOP_COLUMN_IDLE:
		unit_format_about_time(buf, size, row->idle);
		break;
	case TOP_COLUMNS:
		break;
	}
	return buf;
}

void top_fit(int widths[TOP_COLUMNS], int width)
{
	for (;;) {
		int sum = -1, last = TOP_COLUMN_ID;

		for (int i = 0; i < TOP_COLUMNS; i++) {
			if (widths[i] == 0)
				continue;
			sum += widths[i] + 1;
			if (top_columns[i].rank > top_columns[last].rank)
				last = i;
		}
		if (sum <= width || last == TOP_COLUMN_ID)
			return;
		widths[last] = 0;
	}
}
