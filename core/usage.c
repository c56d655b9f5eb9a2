/* usage.c - see usage.h. Run as root, in the host's mount namespace; the parsers are pure. */
#include "usage.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "text.h"
#include "units.h"

#define FILE_MAX 16384

/* Version 1 shows LONG_MAX, rounded down to pages, for no limit; nobody has that much memory. */
#define V1_UNLIMITED 0x7fffffff00000000ull

/* Digits at *text, moved past them. UNIT_NONE: there are none, or too many. */
static uint64_t take_number(const char **text)
{
	uint64_t number = 0;
	const char *p = *text;

	while (isdigit((unsigned char)*p)) {
		if (__builtin_mul_overflow(number, 10u, &number) ||
		    __builtin_add_overflow(number, (unsigned)(*p - '0'), &number))
			return UNIT_NONE;
		p++;
	}
	if (p == *text)
		return UNIT_NONE;
	*text = p;
	return number;
}

uint64_t usage_parse_number(const char *text)
{
	uint64_t number = take_number(&text);

	return number >= V1_UNLIMITED ? UNIT_NONE : number;
}

/* The line after this one; the end of the text when it is the last. */
static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return *line ? line + 1 : line;
}

uint64_t usage_parse_stat(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *line = text; *line; line = next_line(line)) {
		if (strncmp(line, key, length) != 0 || line[length] != ' ')
			continue;
		const char *number = line + length + 1;
		return take_number(&number);
	}
	return UNIT_NONE;
}

uint64_t usage_parse_cpu_max(const char *text)
{
	uint64_t quota = take_number(&text), thousandths;

	if (quota == UNIT_NONE || *text != ' ')
		return UNIT_NONE;
	text++;
	uint64_t period = take_number(&text);
	if (period == UNIT_NONE || period == 0 || __builtin_mul_overflow(quota, 1000u, &thousandths))
		return UNIT_NONE;
	return thousandths / period;
}

/* The number after `key` in this line, or 0. */
static uint64_t number_in_line(const char *line, const char *key)
{
	const char *end = line + strcspn(line, "\n"), *at = strstr(line, key);

	if (!at || at >= end)
		return 0;
	at += strlen(key);
	uint64_t number = take_number(&at);
	return number == UNIT_NONE ? 0 : number;
}

void usage_parse_io(const char *text, bool v2, uint64_t *read, uint64_t *written)
{
	*read = *written = 0;
	for (const char *line = text; *line; line = next_line(line)) {
		*read += number_in_line(line, v2 ? " rbytes=" : " Read ");
		*written += number_in_line(line, v2 ? " wbytes=" : " Write ");
	}
}

uint64_t usage_throttled_share(uint64_t throttled_us, uint64_t cpu_us)
{
	if (throttled_us == UNIT_NONE || cpu_us == UNIT_NONE)
		return UNIT_NONE;
	if (throttled_us == 0)
		return 0;
	return (uint64_t)((double)throttled_us * 1000 / ((double)throttled_us + (double)cpu_us));
}

/* One file of the group. False: it is not there. */
struct reader {
	struct cgroup_tree *tree;
	const char *name;
	char text[FILE_MAX];
};

static bool load(struct reader *r, const char *controller, const char *file)
{
	return cgroup_read(r->tree, controller, r->name, file, r->text, sizeof(r->text)) >= 0;
}

static uint64_t number(struct reader *r, const char *controller, const char *file)
{
	return load(r, controller, file) ? usage_parse_number(r->text) : UNIT_NONE;
}

static void read_memory(struct reader *r, struct usage *u)
{
	if (cgroup_is_v2(r->tree, "memory")) {
		u->memory = number(r, "memory", "memory.current");
		u->memory_peak = number(r, "memory", "memory.peak");
		u->memory_limit = number(r, "memory", "memory.max");
		u->swap = number(r, "memory", "memory.swap.current");
		return;
	}
	u->memory = number(r, "memory", "memory.usage_in_bytes");
	u->memory_peak = number(r, "memory", "memory.max_usage_in_bytes");
	u->memory_limit = number(r, "memory", "memory.limit_in_bytes");
	/* Both together; read a moment later, so it may be a little less. */
	uint64_t both = number(r, "memory", "memory.memsw.usage_in_bytes");
	if (both != UNIT_NONE && u->memory != UNIT_NONE)
		u->swap = both > u->memory ? both - u->memory : 0;
}

static uint64_t v1_cpu_limit(struct reader *r)
{
	char text[64];
	uint64_t quota = number(r, "cpu", "cpu.cfs_quota_us");

	if (quota == UNIT_NONE || !load(r, "cpu", "cpu.cfs_period_us"))
		return UNIT_NONE;
	return text_format(text, sizeof(text), "%" PRIu64 " %.32s", quota, r->text) == 0
		       ? usage_parse_cpu_max(text)
		       : UNIT_NONE;
}

static void read_cpu(struct reader *r, struct usage *u)
{
	bool v2 = cgroup_is_v2(r->tree, "cpu"), stat = load(r, "cpu", "cpu.stat");

	if (v2) {
		u->cpu_us = stat ? usage_parse_stat(r->text, "usage_usec") : UNIT_NONE;
		u->throttled_us = stat ? usage_parse_stat(r->text, "throttled_usec") : UNIT_NONE;
		u->cpu_limit = load(r, "cpu", "cpu.max") ? usage_parse_cpu_max(r->text) : UNIT_NONE;
		return;
	}
	/* Nanoseconds, both. */
	uint64_t throttled = stat ? usage_parse_stat(r->text, "throttled_time") : UNIT_NONE;
	u->throttled_us = throttled == UNIT_NONE ? UNIT_NONE : throttled / 1000;
	uint64_t used = number(r, "cpuacct", "cpuacct.usage");
	u->cpu_us = used == UNIT_NONE ? UNIT_NONE : used / 1000;
	u->cpu_limit = v1_cpu_limit(r);
}

static void read_io(struct reader *r, struct usage *u)
{
	if (load(r, "io", "io.stat"))
		usage_parse_io(r->text, true, &u->read_bytes, &u->written_bytes);
	else if (load(r, "blkio", "blkio.throttle.io_service_bytes_recursive"))
		usage_parse_io(r->text, false, &u->read_bytes, &u->written_bytes);
}

int usage_read(struct cgroup_tree *tree, const char *name, struct usage *usage, struct carrel_error *err)
{
	struct reader r = { .tree = tree, .name = name };

	memset(usage, 0xff, sizeof(*usage)); /* UNIT_NONE everywhere */
	if (!cgroup_exists(tree, name))
		return error_set(err, ENOENT, "there is no cgroup '%s'", name);
	read_memory(&r, usage);
	read_cpu(&r, usage);
	read_io(&r, usage);
	usage->pids = number(&r, "pids", "pids.current");
	usage->pids_peak = number(&r, "pids", "pids.peak");
	usage->pids_limit = number(&r, "pids", "pids.max");
	return 0;
}

int usage_read_levels(struct cgroup_tree *tree, const char *name, enum usage_level first,
		      struct usage levels[USAGE_LEVELS], struct carrel_error *err)
{
	char group[256];
	int count = 0;

	int r = text_format(group, sizeof(group), "%s", name);
	if (r < 0)
		return error_set(err, -r, "group name '%s' is too long", name);
	for (enum usage_level level = first; level < USAGE_LEVELS; level++) {
		r = usage_read(tree, group, &levels[level], err);
		if (r < 0)
			return r;
		count++;
		if (!cgroup_name_up(group))
			break;
	}
	return count;
}
