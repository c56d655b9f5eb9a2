/*
 * bench_attach.c - what it costs on cgroup v1 to get a process into a group, by the two ways there are.
 *
 *	bench_attach ROUNDS
 *
 * Makes a group with the keeper's own code, and then in turn
 *
 *	classic   writes a child's pid to cgroup.procs of each hierarchy, as libcgroup and container engines do
 *	carrel    has a child write "0" to `tasks` of each: cgroup_enter(), which is how a session gets in
 *
 * No fork and no open is in the times. Before each there is a pause: the kernel's lock over all thread groups is slow to
 * take for who comes first, after which it is cheap for a moment, and logins do not come so close together. Prints two lines of bench_report(), or one that says that there is nothing to
 * attach, which is so on v2, where a process is cloned into its group.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench_clock.h"
#include "core/cgroup.h"

#define GROUP	   CGROUP_ROOT "/bench/attach"
#define ROUNDS_MAX 10000
#define PAUSE_US   30000

struct group {
	int tasks[CGROUP_FDS_MAX]; /* of each hierarchy */
	int procs[CGROUP_FDS_MAX];
	size_t count;
};

/* cgroup.procs beside a descriptor of `tasks`. */
static int open_procs(int tasks)
{
	char link[64], dir[4096], path[4096 + 16];

	snprintf(link, sizeof(link), "/proc/self/fd/%d", tasks);
	ssize_t n = readlink(link, dir, sizeof(dir) - 1);
	if (n < 0)
		err(1, "%s", link);
	dir[n] = '\0';
	*strrchr(dir, '/') = '\0';
	snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* One time that is not for free: that nothing is measured which does nothing. */
static bool is_inside(pid_t pid, const struct group *group)
{
	char path[64], line[512];
	size_t found = 0;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		found += strstr(line, "/" GROUP "\n") != NULL;
	if (f)
		fclose(f);
	return found == group->count;
}

/* The child: enters when it is told to, if it shall do so by itself, and stays until the pipe is closed. */
static _Noreturn void be_attached(const struct group *group, bool by_itself, int in, int out)
{
	char byte;
	int64_t took = 0;

	if (read(in, &byte, 1) != 1)
		_exit(1);
	if (by_itself) {
		int64_t start = bench_now();
		if (cgroup_enter(group->tasks, group->count) < 0)
			_exit(1);
		took = bench_now() - start;
	}
	if (write(out, &took, sizeof(took)) != (ssize_t)sizeof(took))
		_exit(1);
	_exit(read(in, &byte, 1) != 0);
}

static int64_t attach(const struct group *group, pid_t pid)
{
	char text[16];
	size_t n = (size_t)snprintf(text, sizeof(text), "%d", pid);
	int64_t start = bench_now();

	for (size_t i = 0; i < group->count; i++)
		if (write(group->procs[i], text, n) != (ssize_t)n)
			err(1, "cannot attach");
	return bench_now() - start;
}

static int64_t measure(const struct group *group, bool by_itself)
{
	int in[2], out[2];
	int64_t took, own;

	if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		err(1, "pipe");
	pid_t pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		close(in[1]);
		be_attached(group, by_itself, in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	took = by_itself ? 0 : attach(group, pid);
	if (write(in[1], "", 1) != 1 || read(out[0], &own, sizeof(own)) != (ssize_t)sizeof(own))
		errx(1, "the child could not enter");
	if (!is_inside(pid, group))
		errx(1, "the child is not in the groups");
	close(in[1]);
	close(out[0]);
	waitpid(pid, NULL, 0);
	return by_itself ? own : took;
}

int main(int argc, char **argv)
{
	static int64_t classic[ROUNDS_MAX], carrel[ROUNDS_MAX];
	const struct limits limits = {
		.memory = 64 << 20, .swap = 0, .cpus = 1000, .cpu_weight = 100, .pids = 64
	};
	size_t rounds = argc == 2 ? strtoul(argv[1], NULL, 10) : 0;
	struct carrel_error error = { 0 };
	struct cgroup_tree *tree = NULL;
	struct group group = { .count = 0 };

	if (rounds < 1 || rounds > ROUNDS_MAX)
		errx(2, "usage: bench_attach ROUNDS");
	if (cgroup_tree_open(&tree, &error) < 0)
		errx(1, "%s", error.msg);
	if (cgroup_can_clone()) {
		puts("cgroup v2: a session is cloned into its group, there is nothing to attach");
		return 0;
	}
	struct cgroup_level level = { GROUP, "limits", &limits, NULL, UNIT_NONE, "", "" };
	if (cgroup_create(tree, &level, 1, &error) < 0)
		errx(1, "%s", error.msg);
	int count = cgroup_open_entry(tree, GROUP, group.tasks, &error);
	if (count < 0)
		errx(1, "%s", error.msg);
	group.count = (size_t)count;
	for (size_t i = 0; i < group.count; i++)
		group.procs[i] = open_procs(group.tasks[i]);
	for (size_t i = 0; i < rounds; i++) {
		usleep(PAUSE_US);
		classic[i] = measure(&group, false);
		usleep(PAUSE_US);
		carrel[i] = measure(&group, true);
	}
	bench_report("classic", classic, rounds);
	bench_report("carrel", carrel, rounds);
	if (cgroup_remove(tree, GROUP, 1000, &error) < 0)
		errx(1, "%s", error.msg);
	cgroup_tree_free(tree);
	return 0;
}
