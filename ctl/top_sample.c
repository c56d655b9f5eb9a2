/* top_sample.c - see top_sample.h. */
#include "top_sample.h"

#include <stdlib.h>
#include <string.h>

#include "core/units.h"

const char *const top_key_names[TOP_KEYS] = { "memory",	   "cpu", "pids", "io",
					      "throttled", "age", "idle", "user" };
const char top_key_letters[TOP_KEYS] = { 'M', 'P', 'N', 'I', 'T', 'A', 'L', 'U' };

static const struct top_entry *find(const struct top_sample *sample, const char *id)
{
	for (size_t i = 0; sample && i < sample->count; i++)
		if (strcmp(sample->entries[i].id, id) == 0)
			return &sample->entries[i];
	return NULL;
}

static uint64_t growth(uint64_t before, uint64_t now)
{
	return before == UNIT_NONE || now == UNIT_NONE || now < before ? UNIT_NONE : now - before;
}

/* `amount` in `us` microseconds, a second. */
static uint64_t rate(uint64_t amount, uint64_t us)
{
	return amount == UNIT_NONE || us == 0 ? UNIT_NONE : (uint64_t)((double)amount * 1e6 / (double)us);
}

/* A session is kept back by its own limit, or by one that it shares. */
static uint64_t throttled(const struct top_entry *before, const struct top_entry *now)
{
	uint64_t most = UNIT_NONE;

	for (int level = 0; level < now->levels && level < before->levels; level++) {
		const struct usage *a = &before->usage[level], *b = &now->usage[level];
		uint64_t share = usage_throttled_share(growth(a->throttled_us, b->throttled_us),
						       growth(a->cpu_us, b->cpu_us));
		if (share != UNIT_NONE && (most == UNIT_NONE || share > most))
			most = share;
	}
	return most;
}

static void fill_rates(const struct top_entry *before, const struct top_entry *now, uint64_t us,
		       struct top_row *row)
{
	const struct usage *a = &before->usage[0], *b = &now->usage[0];

	if (!before->levels || !now->levels)
		return;
	/* A microsecond of processor time in each of a second is one millionth of a CPU. */
	uint64_t cpu = rate(growth(a->cpu_us, b->cpu_us), us);
	row->cpu = cpu == UNIT_NONE ? cpu : cpu / 1000;
	row->read = rate(growth(a->read_bytes, b->read_bytes), us);
	row->written = rate(growth(a->written_bytes, b->written_bytes), us);
	row->throttled = throttled(before, now);
}

void top_rates(const struct top_sample *before, const struct top_sample *now, struct top_row *rows)
{
	for (size_t i = 0; i < now->count; i++) {
		const struct top_entry *entry = &now->entries[i], *old = find(before, entry->id);
		struct top_row *row = &rows[i];

		memset(row, 0xff, sizeof(*row)); /* UNIT_NONE everywhere */
		row->entry = entry;
		row->idle = entry->idle;
		if (entry->started)
			row->age = now->now > entry->started ? (now->now - entry->started) * 1000 : 0;
		if (entry->levels) {
			row->memory = entry->usage[0].memory;
			row->memory_limit = entry->usage[0].memory_limit;
			row->pids = entry->usage[0].pids;
			row->pids_limit = entry->usage[0].pids_limit;
		}
		if (old && now->at_us > before->at_us)
			fill_rates(old, entry, now->at_us - before->at_us, row);
	}
}

uint64_t top_io(const struct top_row *row)
{
	if (row->read == UNIT_NONE || row->written == UNIT_NONE)
		return row->read == UNIT_NONE ? row->written : row->read;
	return row->read + row->written;
}

static uint64_t value(const struct top_row *row, enum top_key key)
{
	const uint64_t values[TOP_KEYS] = {
		[TOP_MEMORY] = row->memory,	  [TOP_CPU] = row->cpu, [TOP_PIDS] = row->pids,
		[TOP_IO] = top_io(row),		  [TOP_AGE] = row->age, [TOP_IDLE] = row->idle,
		[TOP_THROTTLED] = row->throttled,
	};

	return values[key];
}

static int compare(const void *left, const void *right, void *arg)
{
	const struct top_row *a = left, *b = right;
	enum top_key key = *(const enum top_key *)arg;
	uint64_t x = value(a, key), y = value(b, key);

	if (x != y)
		return x == UNIT_NONE ? 1 : y == UNIT_NONE ? -1 : x > y ? -1 : 1;
	int order = strcmp(a->entry->user, b->entry->user);
	return order ? order : strcmp(a->entry->id, b->entry->id);
}

void top_sort(struct top_row *rows, size_t count, enum top_key key)
{
	qsort_r(rows, count, sizeof(*rows), compare, &key);
}
