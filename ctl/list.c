/* list.c - `carrelctl list`: the sessions, live and left over, from their records, with what they use. */
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/session.h"
#include "core/units.h"
#include "ctl.h"
#include "live.h"
#include "table.h"

static const struct table_column columns[] = {
	{ "id", TABLE_BOTH },
	{ "user", TABLE_BOTH },
	{ "uid", TABLE_JSON | TABLE_NUMBER },
	{ "state", TABLE_BOTH },
	{ "started", TABLE_BOTH },
	{ "service", TABLE_BOTH },
	{ "rhost", TABLE_JSON },
	{ "tty", TABLE_JSON },
	{ "from", TABLE_TEXT },
	{ "image", TABLE_BOTH },
	{ "memory", TABLE_BOTH | TABLE_NUMBER },
	{ "memory_limit", TABLE_JSON | TABLE_NUMBER },
	{ "pids", TABLE_BOTH | TABLE_NUMBER },
	{ "pids_limit", TABLE_JSON | TABLE_NUMBER },
	{ "cgroup", TABLE_JSON },
	{ "keeper", TABLE_JSON | TABLE_NUMBER },
	{ "init", TABLE_JSON | TABLE_NUMBER },
	{ NULL, 0 },
};

static void fill_usage(struct table *table, const struct usage *usage, bool json)
{
	struct usage_row rows[USAGE_ROWS];

	if (json) {
		table_set_number(table, "memory", usage->memory);
		table_set_number(table, "memory_limit", usage->memory_limit);
		table_set_number(table, "pids", usage->pids);
		table_set_number(table, "pids_limit", usage->pids_limit);
		return;
	}
	usage_rows(usage, rows);
	for (size_t i = 0; i < USAGE_ROWS; i++) {
		struct usage_text text;
		usage_row_text(&rows[i], &text);
		table_set(table, rows[i].resource, rows[i].limit == UNIT_NONE ? "%s" : "%s/%s", text.used,
			  text.limit);
	}
}

static void fill(struct table *table, const struct session_record *record)
{
	if (record->started)
		table_set_time(table, "started", record->started);
	else
		table_set(table, "started", "%s", "");
	table_set(table, "user", "%s", record->user);
	table_set(table, "service", "%s", record->service);
	table_set(table, "rhost", "%s", record->rhost);
	table_set(table, "tty", "%s", record->tty);
	table_set(table, "from", "%s", *record->rhost ? record->rhost : record->tty);
	table_set(table, "image", "%s", record->image);
	table_set(table, "cgroup", "%s", record->cgroup);
	table_set(table, "keeper", "%d", record->keeper);
	table_set(table, "init", "%d", record->init);
}

static void add(struct table *table, const char *id, struct cgroup_tree *tree, bool json)
{
	struct live live;

	if (live_read(id, tree, &live) < 0)
		return;
	table_line(table);
	table_set(table, "id", "%s", id);
	table_set(table, "uid", "%u", session_id_uid(id));
	table_set(table, "state", "%s", live_state_name(live.state));
	fill(table, &live.record);
	if (!json) {
		table_set(table, "memory", "%s", "");
		table_set(table, "pids", "%s", "");
	}
	if (live.levels > 0)
		fill_usage(table, &live.usage[USAGE_SESSION], json);
}

int verb_list(const struct ctl_args *args)
{
	_cleanup_free_ char **ids = NULL;
	struct cgroup_tree *tree = NULL;
	struct carrel_error err = { 0 };
	bool json = args->options & CTL_JSON;
	int n = session_list((uid_t)-1, &ids, &err);

	if (n < 0)
		return ctl_fail(&err);
	/* Without usable hierarchies the records are still worth a look. */
	if (n > 0)
		(void)cgroup_tree_open(&tree, NULL);
	struct table *table = table_new("sessions", json, columns);
	for (int i = 0; i < n; i++)
		add(table, ids[i], tree, json);
	int status = table_print(table);
	table_free(table);
	cgroup_tree_free(tree);
	return status;
}
