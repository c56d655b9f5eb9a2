/* top_collect.c - one look at all sessions for `carrelctl top`: see top.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/units.h"
#include "live.h"
#include "top.h"

/* Keepers answer at once, unless a session is stalled; a look must not take long for that. */
#define ANSWER_MS  100
#define ANSWERS_MS 300

/* The groups that sessions of one user share, read once: session_list has the IDs of a user together. */
struct shared {
	char name[sizeof(((struct session_record *)0)->cgroup)];
	struct usage usage[USAGE_LEVELS]; /* from USAGE_USER on */
	int levels;
};

static void read_shared(struct cgroup_tree *tree, const char *name, struct shared *shared)
{
	if (strcmp(shared->name, name) == 0)
		return;
	(void)snprintf(shared->name, sizeof(shared->name), "%s", name);
	shared->levels = usage_read_levels(tree, name, USAGE_USER, shared->usage, NULL);
	if (shared->levels < 0)
		shared->levels = 0;
}

static void set_shared(struct top_entry *entry, const struct shared *shared)
{
	for (int level = USAGE_USER; level <= shared->levels; level++)
		entry->usage[entry->levels++] = shared->usage[level];
}

static struct top_entry *new_entry(struct top_sample *sample, const struct live *live, const char *id)
{
	struct top_entry *entry = &sample->entries[sample->count++];

	*entry = (struct top_entry){ .started = live->record.started, .idle = UNIT_NONE };
	(void)snprintf(entry->id, sizeof(entry->id), "%s", id);
	(void)snprintf(entry->user, sizeof(entry->user), "%s", live->record.user);
	return entry;
}

static void add_session(struct cgroup_tree *tree, struct top_sample *sample, const struct live *live,
			const struct shared *shared)
{
	struct top_entry *entry = new_entry(sample, live, live->record.id);

	entry->sessions = 1;
	if (!*live->record.cgroup || usage_read(tree, live->record.cgroup, &entry->usage[0], NULL) < 0)
		return;
	entry->levels = 1;
	set_shared(entry, shared);
}

static void add_to_user(struct top_sample *sample, const struct live *live, const struct shared *shared)
{
	struct top_entry *entry = sample->count ? &sample->entries[sample->count - 1] : NULL;
	char id[SESSION_ID_MAX];

	(void)snprintf(id, sizeof(id), "%u", live->record.uid);
	if (!entry || strcmp(entry->id, id) != 0)
		entry = new_entry(sample, live, id);
	entry->sessions++;
	if (live->record.started && (!entry->started || live->record.started < entry->started))
		entry->started = live->record.started;
	if (!entry->levels)
		set_shared(entry, shared);
}

/* Of a user the least; not known when it is not known of one. */
static void set_idle(struct top_entry *entry, uint64_t idle)
{
	if (entry->sessions == 1 || idle == UNIT_NONE || (entry->idle != UNIT_NONE && idle < entry->idle))
		entry->idle = idle;
}

/* Ask keepers until the time is over, beginning where it was over the last time, so that all have their turn. */
static void ask_keepers(char *const *ids, int count, uint64_t *idle)
{
	static int first;
	int64_t end = fs_now_ms() + ANSWERS_MS;
	int asked = 0;

	for (int i = 0; i < count; i++) {
		int at = (first + i) % count;
		struct session_status status;
		int64_t left = end - fs_now_ms();

		idle[at] = UNIT_NONE;
		asked += left > 0;
		if (left > 0 &&
		    session_status(ids[at], &status, left < ANSWER_MS ? (int)left : ANSWER_MS, NULL) == 0 &&
		    status.fresh)
			idle[at] = status.idle;
	}
	first = count ? (first + (asked < count ? asked : 1)) % count : 0;
}

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int top_collect(struct cgroup_tree *tree, bool users, struct top_sample *sample, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	struct shared shared = { .name = "" };
	int n = session_list((uid_t)-1, &ids, err);

	if (n < 0)
		return n;
	*sample = (struct top_sample){ .now = (uint64_t)time(NULL) };
	sample->entries = calloc((size_t)n + 1, sizeof(*sample->entries));
	uint64_t *idle = calloc((size_t)n + 1, sizeof(*idle));
	if (!sample->entries || !idle) {
		top_sample_free(sample);
		free(idle);
		return error_set(err, ENOMEM, "cannot allocate");
	}
	ask_keepers(ids, n, idle);
	sample->at_us = monotonic_us();
	for (int i = 0; i < n; i++) {
		struct live live;
		char above[sizeof(shared.name)];

		if (live_read(ids[i], NULL, &live) < 0 || live.state == LIVE_STALE)
			continue;
		memcpy(above, live.record.cgroup, sizeof(above));
		if (cgroup_name_up(above))
			read_shared(tree, above, &shared);
		else
			shared = (struct shared){ .name = "" };
		if (users)
			add_to_user(sample, &live, &shared);
		else
			add_session(tree, sample, &live, &shared);
		set_idle(&sample->entries[sample->count - 1], idle[i]);
	}
	free(idle);
	return 0;
}

void top_sample_free(struct top_sample *sample)
{
	free(sample->entries);
	*sample = (struct top_sample){ .entries = NULL };
}
