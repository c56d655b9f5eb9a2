/* list.c - `carrelctl list`: the sessions, live and left over, from their records. */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/session.h"
#include "ctl.h"
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
	{ "cgroup", TABLE_JSON },
	{ "keeper", TABLE_JSON | TABLE_NUMBER },
	{ "init", TABLE_JSON | TABLE_NUMBER },
	{ NULL, 0 },
};

static void fill(struct table *table, const struct session_record *record)
{
	table_set(table, "user", "%s", record->user);
	table_set_time(table, "started", record->started);
	table_set(table, "service", "%s", record->service);
	table_set(table, "rhost", "%s", record->rhost);
	table_set(table, "tty", "%s", record->tty);
	table_set(table, "from", "%s", *record->rhost ? record->rhost : record->tty);
	table_set(table, "image", "%s", record->image);
	table_set(table, "cgroup", "%s", record->cgroup);
	table_set(table, "keeper", "%d", record->keeper);
	table_set(table, "init", "%d", record->init);
}

/* A session that is just being set up has no record to read; its ID still says whose it is. */
static void fill_unknown(struct table *table, const char *id)
{
	const struct passwd *entry = getpwuid(session_id_uid(id));
	struct session_record record = { 0 };

	fill(table, &record);
	table_set(table, "user", "%s", entry ? entry->pw_name : "");
	table_set(table, "started", "%s", "");
}

static void add(struct table *table, const char *id)
{
	struct session_record record;
	int r = session_read(id, &record, NULL);
	int alive = session_alive(id, NULL);

	if (r == -ENOENT && alive == 0)
		return; /* ended while we were looking */
	table_line(table);
	table_set(table, "id", "%s", id);
	table_set(table, "uid", "%u", session_id_uid(id));
	table_set(table, "state", "%s", alive == 0 ? "stale" : r == 0 ? "live" : "starting");
	if (r == 0)
		fill(table, &record);
	else
		fill_unknown(table, id);
}

int verb_list(const struct ctl_args *args)
{
	_cleanup_free_ char **ids = NULL;
	struct carrel_error err = { 0 };
	int n = session_list((uid_t)-1, &ids, &err);

	if (n < 0)
		return ctl_fail(&err);
	struct table *table = table_new("sessions", args->options & CTL_JSON, columns);
	for (int i = 0; i < n; i++)
		add(table, ids[i]);
	int status = table_print(table);
	table_free(table);
	return status;
}
