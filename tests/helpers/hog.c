/*
 * hog.c - take as much of one resource as can be had: memory in every form, processes, files.
 *
 *	hog FORM AMOUNT [DIR]
 *
 * AMOUNT is in MiB (in objects for the forms of processes), counted by what the kernel must at least have taken for what
 * was made. Prints how far it is, now and then, and at the end "all N" or "refused N ERRNO"; then it keeps what it has
 * until it is killed. Where a process may have no more descriptors or mappings, another takes over. DIR is where forms
 * that make files make them (default /tmp). Linked statically, to run in any rootfs; on the host it is the control.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hog_files.h"
#include "hog_memory.h"
#include "hog_sockets.h"

static const struct form *const tables[] = { memory_forms, socket_forms, file_forms };

static const struct form *find(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct form *f = tables[i]; f->name; f++)
			if (strcmp(f->name, name) == 0)
				return f;
	errx(2, "unknown form '%s'", name);
}

static void be_greedy(void)
{
	static const int resources[] = { RLIMIT_NOFILE, RLIMIT_MEMLOCK, RLIMIT_MSGQUEUE, RLIMIT_SIGPENDING,
					 RLIMIT_NPROC };
	struct rlimit limit;

	for (size_t i = 0; i < sizeof(resources) / sizeof(resources[0]); i++) {
		if (getrlimit(resources[i], &limit) == 0) {
			limit.rlim_cur = limit.rlim_max;
			(void)setrlimit(resources[i], &limit);
		}
	}
}

/* What the workers know of each other. */
static struct {
	double taken, told;
} * count;

static _Noreturn void end(const char *how)
{
	printf("%s\n", how);
	fflush(stdout);
	for (;;)
		pause();
}

/* One process, until there is enough, or no more to be had, or none of it in this process. */
static _Noreturn void work(const struct form *form, double wanted)
{
	char text[64];
	double unit = form->counted ? 1 : MIB;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (count->taken < wanted) {
		long n = form->take();
		if ((n == -EMFILE || (n == -ENOMEM && form->per_process)) && hog_step > 0) {
			kill(getppid(), SIGUSR1);
			for (;;)
				pause();
		}
		if (n < 0) {
			snprintf(text, sizeof(text), "refused %.0f %s", count->taken,
				 strerrorname_np((int)-n));
			end(text);
		}
		hog_step++;
		count->taken += (double)n / unit;
		if (count->taken >= count->told + wanted / 64) {
			count->told = count->taken;
			printf("%.0f\n", count->taken);
			fflush(stdout);
		}
	}
	snprintf(text, sizeof(text), "all %.0f", count->taken);
	end(text);
}

/* Itself empty, so that each worker starts with nothing. Ends as the first of them does. */
int main(int argc, char **argv)
{
	int status, signal = SIGUSR1;
	sigset_t set, before;

	if (argc < 3)
		errx(2, "usage: hog FORM AMOUNT [DIR]");
	const struct form *form = find(argv[1]);
	hog_form = form->name;
	if (argc > 3)
		hog_dir = argv[3];
	be_greedy();
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (count == MAP_FAILED)
		err(1, "mmap");
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, &before);
	for (; signal == SIGUSR1; hog_number++) {
		pid_t pid = fork();
		if (pid == 0) {
			sigprocmask(SIG_SETMASK, &before, NULL);
			work(form, strtod(argv[2], NULL));
		}
		if (pid < 0) {
			printf("refused %.0f %s\n", count->taken, strerrorname_np(errno));
			fflush(stdout);
		}
		signal = sigwaitinfo(&set, NULL);
	}
	wait(&status);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
