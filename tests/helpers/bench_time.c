/*
 * bench_time.c - the clock of tests/bench/run: run commands in turn, round after round, and time each.
 *
 *	bench_time ROUNDS WARMUP < LINES
 *
 * A line is a label, a tab and a command of words between blanks; they run in the order of the lines, so that
 * whatever else the machine does falls on all alike. The first WARMUP rounds do not count. Prints a line of
 * bench_report() for each label. A command that fails ends it with status 1. The commands' output is not shown.
 */
#include <err.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_clock.h"

#define COMMANDS_MAX 16
#define WORDS_MAX    64
#define ROUNDS_MAX   100000

struct command {
	char *label;
	char *argv[WORDS_MAX + 1];
	int64_t *times;
};

static size_t read_commands(struct command *commands, size_t rounds)
{
	size_t count = 0, size = 0;
	char *line = NULL;

	while (getline(&line, &size, stdin) > 0) {
		size_t words = 0;
		char *rest = line, *label = strsep(&rest, "\t");
		if (count == COMMANDS_MAX)
			errx(2, "at most %d commands", COMMANDS_MAX);
		struct command *c = &commands[count++];
		c->label = strdup(label);
		for (char *word; words < WORDS_MAX && (word = strsep(&rest, " \n"));)
			if (*word)
				c->argv[words++] = strdup(word);
		c->times = calloc(rounds, sizeof(*c->times));
		if (words == 0 || !c->times)
			errx(2, "no command for '%s'", c->label);
	}
	free(line);
	return count;
}

static int64_t run(const struct command *c, const posix_spawn_file_actions_t *actions)
{
	pid_t pid;
	int status;
	int64_t start = bench_now();
	int r = posix_spawnp(&pid, c->argv[0], actions, NULL, c->argv, environ);

	if (r != 0)
		errx(1, "cannot run %s: %s", c->argv[0], strerror(r));
	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	int64_t elapsed = bench_now() - start;
	if (status != 0)
		errx(1, "'%s' failed with wait status %#x", c->label, (unsigned)status);
	return elapsed;
}

int main(int argc, char **argv)
{
	static struct command commands[COMMANDS_MAX];
	posix_spawn_file_actions_t actions;
	size_t rounds = argc == 3 ? strtoul(argv[1], NULL, 10) : 0;
	size_t warmup = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (rounds < 1 || rounds > ROUNDS_MAX || warmup > ROUNDS_MAX)
		errx(2, "usage: bench_time ROUNDS WARMUP < LINES");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	size_t count = read_commands(commands, rounds);
	for (size_t round = 0; round < warmup + rounds; round++) {
		for (size_t i = 0; i < count; i++) {
			int64_t elapsed = run(&commands[i], &actions);
			if (round >= warmup)
				commands[i].times[round - warmup] = elapsed;
		}
	}
	for (size_t i = 0; i < count; i++)
		bench_report(commands[i].label, commands[i].times, rounds);
	return 0;
}
