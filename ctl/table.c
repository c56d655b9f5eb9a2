/* table.c - see table.h. */
#include "table.h"

#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/units.h"
#include "ctl.h"

#define COLUMNS_MAX 40
#define CELL_MAX    1024

struct table {
	struct libscols_table *scols;
	struct libscols_line *line;
	const struct table_column *columns;
	int at[COLUMNS_MAX]; /* index in scols, or -1 */
	bool json;
	bool failed;
};

/* JSON wants the names as they are; people get headings. */
static void add_column(struct table *table, size_t i)
{
	const struct table_column *column = &table->columns[i];
	char heading[32];
	size_t n = 0;

	for (; n < sizeof(heading) - 1 && column->name[n]; n++) {
		char c = column->name[n];
		heading[n] = table->json ? c
			     : c == '_'	 ? ' '
					 : (char)(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
	}
	heading[n] = '\0';
	bool right = column->flags & (TABLE_NUMBER | TABLE_RIGHT);
	int flags = table->json
			    ? 0
			    : (right ? SCOLS_FL_RIGHT : 0) | (column->flags & TABLE_WRAP ? SCOLS_FL_WRAP : 0);
	struct libscols_column *made = scols_table_new_column(table->scols, heading, 0, flags);
	if (!made) {
		table->failed = true;
		return;
	}
	table->at[i] = (int)scols_table_get_ncols(table->scols) - 1;
	if (column->flags & TABLE_NUMBER)
		scols_column_set_json_type(made, SCOLS_JSON_NUMBER);
	if (column->flags & TABLE_BOOLEAN)
		scols_column_set_json_type(made, SCOLS_JSON_BOOLEAN);
}

struct table *table_new(const char *name, bool json, const struct table_column *columns)
{
	struct table *table = calloc(1, sizeof(*table));

	if (!table)
		return NULL;
	table->columns = columns;
	table->json = json;
	table->scols = scols_new_table();
	if (!table->scols) {
		free(table);
		return NULL;
	}
	scols_table_enable_json(table->scols, json);
	scols_table_set_name(table->scols, name);
	for (size_t i = 0; i < COLUMNS_MAX && columns[i].name; i++) {
		table->at[i] = -1;
		if (columns[i].flags & (json ? TABLE_JSON : TABLE_TEXT))
			add_column(table, i);
	}
	return table;
}

void table_free(struct table *table)
{
	if (!table)
		return;
	scols_unref_table(table->scols);
	free(table);
}

void table_line(struct table *table)
{
	if (!table)
		return;
	table->line = scols_table_new_line(table->scols, NULL);
	if (!table->line)
		table->failed = true;
}

void table_set_text(struct table *table, const char *column, const char *text)
{
	if (!table)
		return;
	for (size_t i = 0; table->line && i < COLUMNS_MAX && table->columns[i].name; i++) {
		if (strcmp(table->columns[i].name, column) != 0 || table->at[i] < 0)
			continue;
		/* An empty cell for people would shift what scripts cut out of the line. */
		if (scols_line_set_data(table->line, (size_t)table->at[i], *text || table->json ? text : "-"))
			table->failed = true;
	}
}

void table_set(struct table *table, const char *column, const char *fmt, ...)
{
	char text[CELL_MAX];
	va_list ap;

	if (!table)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_set_text(table, column, text);
}

void table_set_number(struct table *table, const char *column, uint64_t number)
{
	if (number != UNIT_NONE)
		table_set(table, column, "%" PRIu64, number);
}

void table_set_time(struct table *table, const char *column, uint64_t seconds)
{
	time_t when = (time_t)seconds;
	char text[64] = "";
	struct tm parts;

	if (!table)
		return;
	if (table->json ? gmtime_r(&when, &parts) : localtime_r(&when, &parts))
		(void)strftime(text, sizeof(text), table->json ? "%Y-%m-%dT%H:%M:%SZ" : "%Y-%m-%d %H:%M",
			       &parts);
	table_set_text(table, column, text);
}

int table_print(struct table *table)
{
	if (!table || table->failed || scols_print_table(table->scols) != 0) {
		ctl_error("cannot print the table: out of memory");
		return CTL_FAILED;
	}
	return CTL_DONE;
}
