/*
 * top.h - the parts of `carrelctl top`.
 *
 *	top.c          the verb: options, and --batch
 *	top_collect.c  looks at all sessions
 *	top_sample.c   what happened between two looks (pure)
 *	top_cells.c    columns and their text (pure)
 *	top_screen.c   the terminal
 */
#ifndef CARREL_CTL_TOP_H
#define CARREL_CTL_TOP_H

#include "core/cgroup.h"
#include "core/error.h"
#include "top_sample.h"

/* What is shown, and how; the keys change it. */
struct top_view {
	bool users; /* a line for each user instead of each session */
	enum top_key key;
	uint64_t delay_ms;
};

/* top_collect.c: what is there now. Free with top_sample_free. 0 or -errno. */
int top_collect(struct cgroup_tree *tree, bool users, struct top_sample *sample, struct carrel_error *err);
void top_sample_free(struct top_sample *sample);

/* top_cells.c */
enum top_column {
	TOP_COLUMN_ID,
	TOP_COLUMN_USER,
	TOP_COLUMN_SESSIONS,
	TOP_COLUMN_MEMORY,
	TOP_COLUMN_CPU,
	TOP_COLUMN_PIDS,
	TOP_COLUMN_READ,
	TOP_COLUMN_WRITTEN,
	TOP_COLUMN_THROTTLED,
	TOP_COLUMN_AGE,
	TOP_COLUMN_IDLE,
	TOP_COLUMNS
};

#define TOP_CELL_MAX 72

struct top_column_info {
	const char *name; /* in tables */
	const char *heading;
	int width; /* at least, so that lines do not jump */
	int rank;  /* on a narrow terminal the highest go first */
	bool right;
};

extern const struct top_column_info top_columns[TOP_COLUMNS];
bool top_column_shown(enum top_column column, bool users);
char *top_cell(char *buf, size_t size, const struct top_row *row, enum top_column column);

/*
 * Which columns fit into `width`, with one space between them: `widths` become 0 for the others. The first one is
 * always there.
 */
void top_fit(int widths[TOP_COLUMNS], int width);

/* top_screen.c: on the terminal, until q, SIGINT or another signal. CTL_DONE or, having said why, CTL_FAILED. */
int top_screen(struct cgroup_tree *tree, struct top_view *view);

#endif
