/*
 * table.h - one table, printed for people (aligned, no colour) or as JSON, with libsmartcols.
 */
#ifndef CARREL_CTL_TABLE_H
#define CARREL_CTL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

enum table_flag {
	TABLE_TEXT = 1 << 0, /* a column of the table for people */
	TABLE_JSON = 1 << 1, /* a member of the JSON objects */
	TABLE_BOTH = TABLE_TEXT | TABLE_JSON,
	TABLE_NUMBER = 1 << 2, /* JSON number; right-aligned for people */
	TABLE_BOOLEAN = 1 << 3,
	TABLE_RIGHT = 1 << 4, /* right-aligned text */
	TABLE_WRAP = 1 << 5,  /* sentences: on several lines where the terminal is too narrow */
};

struct table_column {
	const char *name; /* lower case, as in the JSON; NULL ends the list */
	unsigned flags;
};

struct table; /* remembers the first failure, so that only table_print has to be checked */

struct table *table_new(const char *name, bool json, const struct table_column *columns);
void table_free(struct table *table);

/* Start the next line; its cells are empty until set. */
void table_line(struct table *table);

/* Set a cell of the line. A column that is not shown in this form is left out. */
void table_set(struct table *table, const char *column, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Set a cell to a number, for JSON; UNIT_NONE leaves it null. */
void table_set_number(struct table *table, const char *column, uint64_t number);

/* The same of a text that may be long, such as a path. */
void table_set_text(struct table *table, const char *column, const char *text);

/* Set a cell to a time, seconds since the epoch: local time for people, ISO 8601 in UTC as JSON. */
void table_set_time(struct table *table, const char *column, uint64_t seconds);

/* Print to stdout. Returns CTL_DONE or, having said so, CTL_FAILED. */
int table_print(struct table *table);

#endif
