/* top.c - `carrelctl top`: what sessions or users use right now. On a terminal, or as tables for scripts. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/units.h"
#include "ctl.h"
#include "table.h"
#include "top.h"

#define SCREEN_DELAY_MS 2000
#define BATCH_DELAY_MS	1000

static const struct table_column columns[] = {
	{ "id", TABLE_BOTH },
	{ "user", TABLE_BOTH },
	{ "sessions", TABLE_BOTH | TABLE_NUMBER },
	{ "memory", TABLE_BOTH | TABLE_NUMBER },
	{ "memory_limit", TABLE_JSON | TABLE_NUMBER },
	{ "cpu", TABLE_BOTH | TABLE_NUMBER },
	{ "pids", TABLE_BOTH | TABLE_NUMBER },
	{ "pids_limit", TABLE_JSON | TABLE_NUMBER },
	{ "read", TABLE_BOTH | TABLE_NUMBER },
	{ "written", TABLE_BOTH | TABLE_NUMBER },
	{ "throttled", TABLE_BOTH | TABLE_NUMBER },
	{ "age", TABLE_BOTH | TABLE_NUMBER },
	{ "idle", TABLE_BOTH | TABLE_NUMBER },
	{ NULL, 0 },
};

static void set_percent(struct table *table, const char *column, uint64_t tenths)
{
	if (tenths != UNIT_NONE)
		table_set(table, column, "%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

static void set_numbers(struct table *table, const struct top_row *row)
{
	table_set(table, "id", "%s", row->entry->id);
	table_set(table, "user", "%s", row->entry->user);
	table_set_number(table, "sessions", row->entry->sessions);
	table_set_number(table, "memory", row->memory);
	table_set_number(table, "memory_limit", row->memory_limit);
	set_percent(table, "cpu", row->cpu);
	table_set_number(table, "pids", row->pids);
	table_set_number(table, "pids_limit", row->pids_limit);
	table_set_number(table, "read", row->read);
	table_set_number(table, "written", row->written);
	set_percent(table, "throttled", row->throttled);
	table_set_number(table, "age", row->age == UNIT_NONE ? UNIT_NONE : row->age / 1000);
	table_set_number(table, "idle", row->idle == UNIT_NONE ? UNIT_NONE : row->idle / 1000);
}

static int print_rows(const struct top_row *rows, size_t count, bool json)
{
	struct table *table = table_new("top", json, columns);
	char cell[TOP_CELL_MAX];

	for (size_t i = 0; i < count; i++) {
		table_line(table);
		if (json)
			set_numbers(table, &rows[i]);
		for (int c = 0; !json && c < TOP_COLUMNS; c++)
			table_set(table, top_columns[c].name, "%s",
				  top_cell(cell, sizeof(cell), &rows[i], (enum top_column)c));
	}
	int status = table_print(table);
	table_free(table);
	return status;
}

static int print_once(struct cgroup_tree *tree, const struct top_view *view, struct top_sample *before,
		      bool json)
{
	struct carrel_error err = { 0 };
	struct top_sample now;

	if (top_collect(tree, view->users, &now, &err) < 0)
		return ctl_fail(&err);
	_cleanup_free_ struct top_row *rows = calloc(now.count + 1, sizeof(*rows));
	int status = CTL_FAILED;
	if (rows) {
		top_rates(before, &now, rows);
		top_sort(rows, now.count, view->key);
		status = print_rows(rows, now.count, json);
	}
	top_sample_free(before);
	*before = now;
	return ctl_flush(status);
}

/* Rates need two looks: the first table comes after one delay. */
static int batch(struct cgroup_tree *tree, const struct top_view *view, uint64_t times, bool json)
{
	struct carrel_error err = { 0 };
	struct top_sample before;
	int status = CTL_DONE;
	int64_t due = fs_now_ms(), now;

	if (top_collect(tree, view->users, &before, &err) < 0)
		return ctl_fail(&err);
	for (uint64_t i = 0; i < times && status == CTL_DONE; i++) {
		/* Whoever was stopped, or had a slow reader, goes on from here: rates of no time at all say nothing. */
		due += (int64_t)view->delay_ms;
		if (due < (now = fs_now_ms()))
			due = now + (int64_t)view->delay_ms;
		for (int64_t left; (left = due - fs_now_ms()) > 0;)
			poll(NULL, 0, (int)left);
		if (i > 0)
			putchar('\n');
		status = print_once(tree, view, &before, json);
	}
	top_sample_free(&before);
	return status;
}

static int parse_view(const struct ctl_args *args, struct top_view *view, uint64_t *times)
{
	uint64_t seconds_1000;

	*view = (struct top_view){ .users = args->options & CTL_USERS,
				   .key = TOP_CPU,
				   .delay_ms = args->options & CTL_BATCH ? BATCH_DELAY_MS : SCREEN_DELAY_MS };
	*times = UINT64_MAX;
	if (args->options & (CTL_TIMES | CTL_JSON) && !(args->options & CTL_BATCH))
		return ctl_usage("'-n' and '--json' go with '--batch'");
	if (args->times && (unit_parse_size(args->times, times) < 0 || *times == 0))
		return ctl_usage("'%s' is no number of times", args->times);
	if (args->delay) {
		/* A decimal with thousandths, as `cpus` has it. */
		if (unit_parse_cpus(args->delay, &seconds_1000) < 0 || seconds_1000 < 100 ||
		    seconds_1000 > 3600000)
			return ctl_usage("'%s' is no delay: 0.1 to 3600 seconds", args->delay);
		view->delay_ms = seconds_1000;
	}
	for (int i = 0; args->sort; i++) {
		if (i == TOP_KEYS)
			return ctl_usage("cannot sort by '%s'; there are memory, cpu, pids, io, throttled, "
					 "age, idle and user",
					 args->sort);
		view->key = (enum top_key)i;
		if (strcmp(args->sort, top_key_names[i]) == 0)
			break;
	}
	return CTL_DONE;
}

int verb_top(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct cgroup_tree *tree = NULL;
	struct top_view view;
	uint64_t times;

	int status = parse_view(args, &view, &times);
	if (status != CTL_DONE)
		return status;
	if (!(args->options & CTL_BATCH) && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))) {
		ctl_error("this is not a terminal: use 'top --batch'");
		return CTL_FAILED;
	}
	if (cgroup_tree_open(&tree, &err) < 0)
		return ctl_fail(&err);
	status = args->options & CTL_BATCH ? batch(tree, &view, times, args->options & CTL_JSON)
					   : top_screen(tree, &view);
	cgroup_tree_free(tree);
	return status;
}
