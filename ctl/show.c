/*
 * show.c - `carrelctl show`: one session, or all of a user, and what is used of each level's limits: the session's own,
 * the ones that all sessions of the user share, and the ones that their group shares.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/storage.h"
#include "core/units.h"
#include "ctl.h"
#include "live.h"
#include "table.h"

/* For people a line for each resource, as JSON an object for each level. */
static const struct table_column columns[] = {
	{ "level", TABLE_BOTH },
	{ "id", TABLE_JSON },
	{ "user", TABLE_JSON },
	{ "uid", TABLE_JSON | TABLE_NUMBER },
	{ "state", TABLE_JSON },
	{ "started", TABLE_JSON },
	{ "service", TABLE_JSON },
	{ "rhost", TABLE_JSON },
	{ "tty", TABLE_JSON },
	{ "image", TABLE_JSON },
	{ "idle", TABLE_JSON | TABLE_NUMBER },
	{ "connections", TABLE_JSON | TABLE_NUMBER },
	{ "terminals", TABLE_JSON | TABLE_NUMBER },
	{ "cgroup", TABLE_JSON },
	{ "resource", TABLE_TEXT },
	{ "used", TABLE_TEXT | TABLE_RIGHT },
	{ "limit", TABLE_TEXT | TABLE_RIGHT },
	{ "peak", TABLE_TEXT | TABLE_RIGHT },
	{ "throttled", TABLE_TEXT | TABLE_RIGHT },
	{ "memory", TABLE_JSON | TABLE_NUMBER },
	{ "memory_limit", TABLE_JSON | TABLE_NUMBER },
	{ "memory_peak", TABLE_JSON | TABLE_NUMBER },
	{ "swap", TABLE_JSON | TABLE_NUMBER },
	{ "cpu_us", TABLE_JSON | TABLE_NUMBER },
	{ "cpu_limit", TABLE_JSON | TABLE_NUMBER },
	{ "throttled_us", TABLE_JSON | TABLE_NUMBER },
	{ "pids", TABLE_JSON | TABLE_NUMBER },
	{ "pids_limit", TABLE_JSON | TABLE_NUMBER },
	{ "pids_peak", TABLE_JSON | TABLE_NUMBER },
	{ "read_bytes", TABLE_JSON | TABLE_NUMBER },
	{ "written_bytes", TABLE_JSON | TABLE_NUMBER },
	{ "disk", TABLE_JSON | TABLE_NUMBER },
	{ "disk_limit", TABLE_JSON | TABLE_NUMBER },
	{ "files", TABLE_JSON | TABLE_NUMBER },
	{ "files_limit", TABLE_JSON | TABLE_NUMBER },
	{ NULL, 0 },
};

static void set_usage(struct table *table, const struct usage *usage)
{
	const struct {
		const char *column;
		uint64_t number;
	} numbers[] = {
		{ "memory", usage->memory },
		{ "memory_limit", usage->memory_limit },
		{ "memory_peak", usage->memory_peak },
		{ "swap", usage->swap },
		{ "cpu_us", usage->cpu_us },
		{ "cpu_limit", usage->cpu_limit },
		{ "throttled_us", usage->throttled_us },
		{ "pids", usage->pids },
		{ "pids_limit", usage->pids_limit },
		{ "pids_peak", usage->pids_peak },
		{ "read_bytes", usage->read_bytes },
		{ "written_bytes", usage->written_bytes },
	};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		table_set_number(table, numbers[i].column, numbers[i].number);
}

/* What limits of a user's files are kept to, as far as there are any. */
static bool get_disk(uid_t uid, struct storage_usage *disk)
{
	struct carrel_error ignored;

	return storage_usage(uid, NULL, disk, &ignored) == 0 && disk->method != STORAGE_PLAIN;
}

static void add_lines(struct table *table, enum usage_level level, const struct usage_row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct usage_text text;

		usage_row_text(&rows[i], &text);
		table_line(table);
		table_set(table, "level", "%s", usage_level_names[level]);
		table_set(table, "resource", "%s", rows[i].resource);
		table_set(table, "used", "%s", text.used);
		table_set(table, "limit", "%s", text.limit);
		table_set(table, "peak", "%s", text.peak);
		table_set(table, "throttled", "%s", text.throttled);
	}
}

static void add_rows(struct table *table, enum usage_level level, const struct live *live)
{
	struct usage_row rows[USAGE_ROWS], files[USAGE_DISK_ROWS];
	struct storage_usage disk;

	usage_rows(&live->usage[level], rows);
	add_lines(table, level, rows, USAGE_ROWS);
	if (level != USAGE_USER || !get_disk(live->record.uid, &disk))
		return;
	usage_disk_rows(disk.bytes, disk.bytes_limit, disk.inodes, disk.inodes_limit, files);
	add_lines(table, level, files, USAGE_DISK_ROWS);
}

static void print_activity(const struct live *live)
{
	const struct session_status *s = &live->status;
	char idle[32];

	unit_format_about_time(idle, sizeof(idle), live->has_status && s->fresh ? s->idle : UNIT_NONE);
	if (live->has_status && s->fresh)
		printf("idle     %s (%u connection%s, %u on a terminal)\n", idle, s->connections,
		       s->connections == 1 ? "" : "s", s->terminals);
	else
		puts("idle     - (the session does not answer)");
}

static void print_facts(const struct live *live)
{
	const struct session_record *r = &live->record;
	char started[64] = "-", age[32];
	time_t since = (time_t)r->started, now = time(NULL);
	struct tm parts;

	if (r->started && localtime_r(&since, &parts))
		(void)strftime(started, sizeof(started), "%Y-%m-%d %H:%M:%S", &parts);
	unit_format_about_time(age, sizeof(age), now > since ? (uint64_t)(now - since) * 1000 : 0);
	printf("session  %s (%s)\n", r->id, live_state_name(live->state));
	printf("user     %s (%u)\n", *r->user ? r->user : "-", r->uid);
	if (live->state == LIVE_STARTING) {
		putchar('\n');
		return;
	}
	printf("from     %s%s%s\n",
	       *r->rhost ? r->rhost
	       : *r->tty ? r->tty
			 : "-",
	       *r->service ? " by " : "", r->service);
	printf("since    %s (%s)\n", started, age);
	print_activity(live);
	printf("image    %s\n", *r->image ? r->image : "-");
	printf("cgroup   %s\n\n", *r->cgroup ? r->cgroup : "-");
}

/* What only a session has. */
static void set_record(struct table *table, const struct live *live)
{
	const struct session_record *r = &live->record;

	table_set(table, "id", "%s", r->id);
	table_set(table, "state", "%s", live_state_name(live->state));
	if (r->started)
		table_set_time(table, "started", r->started);
	table_set(table, "service", "%s", r->service);
	table_set(table, "rhost", "%s", r->rhost);
	table_set(table, "tty", "%s", r->tty);
	table_set(table, "image", "%s", r->image);
	if (live->has_status && live->status.fresh) {
		table_set_number(table, "idle", live->status.idle / 1000);
		table_set_number(table, "connections", live->status.connections);
		table_set_number(table, "terminals", live->status.terminals);
	}
}

static void add_object(struct table *table, enum usage_level level, const struct live *live,
		       const char *cgroup)
{
	struct storage_usage disk;

	table_line(table);
	table_set(table, "level", "%s", usage_level_names[level]);
	table_set(table, "cgroup", "%s", cgroup);
	if (level == USAGE_SESSION)
		set_record(table, live);
	if (level != USAGE_GROUP) {
		table_set(table, "user", "%s", live->record.user);
		table_set(table, "uid", "%u", live->record.uid);
	}
	if ((int)level < live->levels)
		set_usage(table, &live->usage[level]);
	if (level == USAGE_USER && get_disk(live->record.uid, &disk)) {
		table_set_number(table, "disk", disk.bytes);
		table_set_number(table, "disk_limit", disk.bytes_limit);
		table_set_number(table, "files", disk.inodes);
		table_set_number(table, "files_limit", disk.inodes_limit);
	}
}

static int show_json(const struct live *all, int count)
{
	struct table *table = table_new("usage", true, columns);
	char group[sizeof(all->record.cgroup)] = "";

	for (int i = 0; i < count; i++) {
		add_object(table, USAGE_SESSION, &all[i], all[i].record.cgroup);
		memcpy(group, all[i].record.cgroup, sizeof(group));
	}
	/* The groups above are the same for all. */
	for (int level = USAGE_USER; count > 0 && level < all[count - 1].levels && cgroup_name_up(group);
	     level++)
		add_object(table, (enum usage_level)level, &all[count - 1], group);
	int status = table_print(table);
	table_free(table);
	return status;
}

static int show_one(const struct live *live, int levels)
{
	int status = CTL_DONE;

	print_facts(live);
	if (levels == 0)
		return CTL_DONE;
	struct table *table = table_new("usage", false, columns);
	for (int level = USAGE_SESSION; level < levels; level++)
		add_rows(table, (enum usage_level)level, live);
	status = table_print(table);
	table_free(table);
	return status;
}

static int show_text(const struct live *all, int count)
{
	int status = CTL_DONE;

	for (int i = 0; i < count && status == CTL_DONE; i++) {
		bool last = i == count - 1;

		/* The groups above are the same for all: once, at the end. */
		status = show_one(&all[i], last || all[i].levels == 0 ? all[i].levels : 1);
		if (!last)
			putchar('\n');
	}
	return status;
}

/* Sessions of one user. */
static int show(char *const *ids, int count, bool json)
{
	_cleanup_free_ struct live *all = calloc((size_t)count, sizeof(*all));
	struct cgroup_tree *tree = NULL;
	int found = 0;

	if (!all) {
		ctl_error("cannot allocate");
		return CTL_FAILED;
	}
	/* Without usable hierarchies the records are still worth a look. */
	(void)cgroup_tree_open(&tree, NULL);
	for (int i = 0; i < count; i++)
		found += live_read(ids[i], tree, &all[found]) == 0;
	for (int i = 0; i < found; i++)
		live_ask(&all[i]);
	cgroup_tree_free(tree);
	return json ? show_json(all, found) : show_text(all, found);
}

int verb_show(const struct ctl_args *args)
{
	const char *word = args->words[0];
	_cleanup_free_ char **ids = NULL;
	struct carrel_error err = { 0 };
	struct session_record record;
	uid_t uid;

	if (session_id_valid(word)) {
		char *one[] = { args->words[0] };
		/* A session that is being set up has a directory and no record yet. */
		if (session_read(word, &record, &err) == -ENOENT && session_alive(word, NULL) != 1)
			return ctl_fail(&err);
		return show(one, 1, args->options & CTL_JSON);
	}
	if (live_find_uid(word, &uid) < 0) {
		ctl_error("'%s' is neither a session's ID nor a user", word);
		return CTL_FAILED;
	}
	int n = session_list(uid, &ids, &err);
	if (n < 0)
		return ctl_fail(&err);
	if (n == 0) {
		ctl_error("user '%s' has no session", word);
		return CTL_FAILED;
	}
	return show(ids, n, args->options & CTL_JSON);
}
