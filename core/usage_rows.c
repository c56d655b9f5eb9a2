/* usage_rows.c - a usage as it is shown to people, on the host and inside; see usage.h. Pure. */
#include <inttypes.h>
#include <stdio.h>

#include "units.h"
#include "usage.h"

const char *const usage_level_names[USAGE_LEVELS] = { "session", "user", "group" };

void usage_rows(const struct usage *usage, struct usage_row rows[USAGE_ROWS])
{
	const uint64_t none = UNIT_NONE;
	const struct usage_row all[USAGE_ROWS] = {
		{ "memory", USAGE_BYTES, true, usage->memory, usage->memory_limit, usage->memory_peak, none },
		{ "swap", USAGE_BYTES, false, usage->swap, none, none, none },
		{ "cpu", USAGE_CPU, true, usage->cpu_us, usage->cpu_limit, none,
		  usage_throttled_share(usage->throttled_us, usage->cpu_us) },
		{ "pids", USAGE_COUNT, true, usage->pids, usage->pids_limit, usage->pids_peak, none },
		{ "read", USAGE_BYTES, false, usage->read_bytes, none, none, none },
		{ "written", USAGE_BYTES, false, usage->written_bytes, none, none, none },
	};

	for (size_t i = 0; i < USAGE_ROWS; i++)
		rows[i] = all[i];
}

void usage_disk_rows(uint64_t bytes, uint64_t bytes_limit, uint64_t files, uint64_t files_limit,
		     struct usage_row rows[USAGE_DISK_ROWS])
{
	const uint64_t none = UNIT_NONE;

	rows[0] = (struct usage_row){ "disk", USAGE_BYTES, true, bytes, bytes_limit, none, none };
	rows[1] = (struct usage_row){ "files", USAGE_COUNT, true, files, files_limit, none, none };
}

/* One decimal, "-" when not known. */
static void format_tenths(char *buf, uint64_t tenths, bool known, const char *unit)
{
	if (known)
		snprintf(buf, USAGE_TEXT_MAX, "%" PRIu64 ".%" PRIu64 "%s", tenths / 10, tenths % 10, unit);
	else
		snprintf(buf, USAGE_TEXT_MAX, "-");
}

static void format_amount(char *buf, enum usage_unit unit, uint64_t value)
{
	if (unit == USAGE_BYTES)
		unit_format_about_size(buf, USAGE_TEXT_MAX, value);
	else if (value == UNIT_NONE)
		snprintf(buf, USAGE_TEXT_MAX, "-");
	else
		snprintf(buf, USAGE_TEXT_MAX, "%" PRIu64, value);
}

void usage_row_text(const struct usage_row *row, struct usage_text *text)
{
	if (row->unit == USAGE_CPU)
		format_tenths(text->used, row->used / 100000, row->used != UNIT_NONE, "s");
	else
		format_amount(text->used, row->unit, row->used);
	if (row->limit == UNIT_NONE)
		snprintf(text->limit, sizeof(text->limit), "%s", row->limited ? "none" : "-");
	else if (row->unit == USAGE_CPU)
		unit_format_cpus(text->limit, sizeof(text->limit), row->limit);
	else
		format_amount(text->limit, row->unit, row->limit);
	format_amount(text->peak, row->unit, row->peak);
	format_tenths(text->throttled, row->throttled, row->throttled != UNIT_NONE, "%");
}
