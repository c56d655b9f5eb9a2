/*
 * top_screen.c - `carrelctl top` on a terminal, with ncurses: see top.h.
 *
 * ncurses sends only what changed, so nothing flickers. Signals are read from a descriptor, between two drawings, so the
 * terminal is always given back as it was.
 */
#include <errno.h>
#include <inttypes.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/units.h"
#include "ctl.h"
#include "top.h"

#define FIRST_DELAY_MS 500 /* the first rates should not take a whole delay */
#define FRAME	       3   /* lines that are no sessions: title, headings, keys */

struct screen {
	struct cgroup_tree *tree;
	struct top_view *view;
	struct top_sample before, now;
	struct top_row *rows;
	size_t first; /* line of the table at the top */
	struct carrel_error err;
};

/* A look anew. What was there before stays for the rates, unless it counted something else. */
static void look(struct screen *s, bool anew)
{
	struct top_sample sample;
	struct top_row *rows;

	s->err.code = 0;
	if (top_collect(s->tree, s->view->users, &sample, &s->err) < 0)
		return;
	rows = calloc(sample.count + 1, sizeof(*rows));
	if (!rows) {
		error_errno(&s->err, "cannot allocate");
		top_sample_free(&sample);
		return;
	}
	top_sample_free(&s->before);
	free(s->rows);
	s->before = s->now;
	s->now = sample;
	s->rows = rows;
	if (anew)
		top_sample_free(&s->before);
	top_rates(anew ? NULL : &s->before, &s->now, s->rows);
	top_sort(s->rows, s->now.count, s->view->key);
}

/* Text at the start of a line, cut off at the terminal's edge. */
static void put_line(int y, const char *text)
{
	mvaddnstr(y, 0, text, COLS);
}

static void put_title(const struct screen *s)
{
	char text[CARREL_ERROR_MAX + 16], clock[16] = "", delay[24];
	time_t now = (time_t)s->now.now;
	unsigned sessions = 0;
	struct tm parts;

	if (localtime_r(&now, &parts))
		(void)strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
	for (size_t i = 0; i < s->now.count; i++)
		sessions += s->now.entries[i].sessions;
	unit_format_time(delay, sizeof(delay), s->view->delay_ms);
	if (s->err.code)
		snprintf(text, sizeof(text), "%s", s->err.msg);
	else
		snprintf(text, sizeof(text), "%s  %u session%s, by %s, every %s", clock, sessions,
			 sessions == 1 ? "" : "s", top_key_names[s->view->key], delay);
	put_line(0, text);
}

static void measure(const struct screen *s, int widths[TOP_COLUMNS])
{
	char cell[TOP_CELL_MAX];

	for (int c = 0; c < TOP_COLUMNS; c++) {
		widths[c] = 0;
		if (!top_column_shown((enum top_column)c, s->view->users))
			continue;
		widths[c] = top_columns[c].width;
		for (size_t i = 0; i < s->now.count; i++) {
			int width = (int)strlen(
				top_cell(cell, sizeof(cell), &s->rows[i], (enum top_column)c));
			if (width > widths[c])
				widths[c] = width;
		}
	}
	top_fit(widths, COLS);
}

/* One line of the table; `row` NULL: the headings. */
static void put_row(int y, const struct top_row *row, const int widths[TOP_COLUMNS])
{
	char line[TOP_COLUMNS * (TOP_CELL_MAX + 1) + 1] = "", cell[TOP_CELL_MAX];
	size_t n = 0;

	for (int c = 0; c < TOP_COLUMNS; c++) {
		if (widths[c] == 0)
			continue;
		const char *text = row ? top_cell(cell, sizeof(cell), row, (enum top_column)c)
				       : top_columns[c].heading;
		n += (size_t)snprintf(line + n, sizeof(line) - n, "%s%*s", n ? " " : "",
				      top_columns[c].right ? widths[c] : -widths[c], text);
	}
	put_line(y, line);
	/* The bar of headings goes to the edge. */
	for (int x = (int)n; !row && x < COLS; x++)
		mvaddch(y, x, ' ');
}

static void draw(struct screen *s)
{
	int widths[TOP_COLUMNS], room = LINES - FRAME;
	size_t count = s->now.count;

	erase();
	put_title(s);
	measure(s, widths);
	attron(A_REVERSE);
	put_row(1, NULL, widths);
	attroff(A_REVERSE);
	if (room < 1)
		room = 1;
	if (s->first + (size_t)room > count)
		s->first = count > (size_t)room ? count - (size_t)room : 0;
	for (size_t i = s->first; i < count && i < s->first + (size_t)room; i++)
		put_row(2 + (int)(i - s->first), &s->rows[i], widths);
	if (count == 0)
		put_line(2, "no sessions");
	if (LINES > FRAME)
		put_line(LINES - 1, s->view->users ? "q quit  u sessions  sort: M P N I T A L U"
						   : "q quit  u users  sort: M P N I T A L U");
	move(LINES - 1, 0);
	refresh();
}

enum step { STEP_NONE, STEP_DRAW, STEP_LOOK, STEP_ANEW, STEP_QUIT };

static enum step scroll_by(struct screen *s, int lines)
{
	if (lines < 0)
		s->first = s->first > (size_t)-lines ? s->first - (size_t)-lines : 0;
	else
		s->first += (size_t)lines; /* draw() knows the end */
	return STEP_DRAW;
}

static enum step sort_by(struct screen *s, int c)
{
	const char *found = c > 0 && c < 128 ? memchr(top_key_letters, c, TOP_KEYS) : NULL;

	if (!found)
		return STEP_NONE;
	s->view->key = (enum top_key)(found - top_key_letters);
	top_sort(s->rows, s->now.count, s->view->key);
	return STEP_DRAW;
}

static enum step handle_key(struct screen *s, int c)
{
	switch (c) {
	case 'q':
		return STEP_QUIT;
	case 'u':
		s->view->users = !s->view->users;
		s->first = 0;
		return STEP_ANEW;
	case ' ':
		return STEP_LOOK;
	case KEY_UP:
	case 'k':
		return scroll_by(s, -1);
	case KEY_DOWN:
	case 'j':
		return scroll_by(s, 1);
	case KEY_PPAGE:
		return scroll_by(s, FRAME - LINES);
	case KEY_NPAGE:
		return scroll_by(s, LINES - FRAME);
	case KEY_HOME:
		s->first = 0;
		return STEP_DRAW;
	case 12: /* ^L: something else wrote to the terminal */
		clearok(stdscr, TRUE);
		return STEP_DRAW;
	default:
		return sort_by(s, c);
	}
}

static enum step handle_keys(struct screen *s)
{
	enum step most = STEP_NONE;

	for (int c; (c = getch()) != ERR;) {
		enum step step = handle_key(s, c);
		if (step > most)
			most = step;
	}
	return most;
}

static void resize(void)
{
	struct winsize size;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
		resizeterm(size.ws_row, size.ws_col);
}

/* Until the next look is due, or something asks for it. A signal that ends us goes to *ended_by. */
static enum step wait_for(struct screen *s, int signals, int64_t due, int *ended_by)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = signals, .events = POLLIN } };
	int64_t left = due - fs_now_ms();

	if (left <= 0 || poll(fds, ARRAY_SIZE(fds), (int)left) == 0)
		return STEP_LOOK;
	if (fds[1].revents) {
		struct signalfd_siginfo info;
		if (read(signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
			return STEP_NONE;
		if (info.ssi_signo != SIGWINCH) {
			*ended_by = (int)info.ssi_signo;
			return STEP_QUIT;
		}
		resize();
		return STEP_DRAW;
	}
	enum step step = fds[0].revents & POLLIN ? handle_keys(s) : STEP_NONE;
	return step == STEP_NONE && fds[0].revents & (POLLHUP | POLLERR) ? STEP_QUIT : step;
}

static void run(struct screen *s, int signals, int *ended_by)
{
	int64_t due = fs_now_ms() + FIRST_DELAY_MS;
	enum step step = STEP_ANEW;

	while (step != STEP_QUIT) {
		if (step == STEP_LOOK || step == STEP_ANEW)
			look(s, step == STEP_ANEW);
		if (step == STEP_LOOK)
			due = fs_now_ms() + (int64_t)s->view->delay_ms;
		else if (step == STEP_ANEW)
			due = fs_now_ms() + FIRST_DELAY_MS;
		if (step != STEP_NONE)
			draw(s);
		step = wait_for(s, signals, due, ended_by);
	}
}

int top_screen(struct cgroup_tree *tree, struct top_view *view)
{
	struct screen s = { .tree = tree, .view = view };
	const char *name = getenv("TERM");
	int ended_by = 0;
	sigset_t set, old;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGWINCH);
	sigprocmask(SIG_BLOCK, &set, &old);
	_cleanup_close_ int signals = signalfd(-1, &set, SFD_CLOEXEC);
	SCREEN *terminal = signals < 0 ? NULL : newterm(NULL, stdout, stdin);
	if (!terminal) {
		sigprocmask(SIG_SETMASK, &old, NULL);
		ctl_error("cannot use the terminal '%s': try 'top --batch'", name ? name : "");
		return CTL_FAILED;
	}
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	set_escdelay(25);
	curs_set(0);
	run(&s, signals, &ended_by);
	endwin();
	delscreen(terminal);
	top_sample_free(&s.before);
	top_sample_free(&s.now);
	free(s.rows);
	/* Whoever ended us by a signal is told so; ^C is the other way to say q. */
	if (ended_by && ended_by != SIGINT) {
		signal(ended_by, SIG_DFL);
		raise(ended_by);
	}
	sigprocmask(SIG_SETMASK, &old, NULL);
	return CTL_DONE;
}
