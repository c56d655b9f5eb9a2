/*
 * seccomp_probe.c - is the sandbox's system-call filter there, and does it leave ordinary programs alone?
 *
 *	seccomp_probe             inside a sandbox: every attack must be refused, every ordinary call must work
 *	seccomp_probe --load      the same, after putting itself under the filter (root): the proof that it is the
 *	                          filter that refuses, since to root the kernel refuses next to nothing
 *	seccomp_probe --control   without a filter (root): every attack must get past where the filter stands, so that
 *	                          the two above can fail
 *	seccomp_probe --exec CMD  run a command under the filter
 *
 * One line per case, exit status 0 only when all are as expected. Linked statically, to run in any rootfs. Every
 * case runs in a child of its own. No attack does harm where it gets through: it hands over what the kernel
 * rejects with another errno than the filter's.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "seccomp_attacks.h"
#include "seccomp_filter.h"
#include "seccomp_ordinary.h"

enum mode { MODE_INSIDE, MODE_CONTROL };

/* How the case ended: 0, an errno, or KILLED. */
static int run(const struct probe *probe)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(2, "fork");
	if (pid == 0) {
		setsid(); /* vhangup and the like have no terminal to act on */
		if (probe->run)
			_exit(probe->run());
		const long *a = probe->arg;
		_exit(syscall(probe->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		err(2, "waitpid");
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	/* SIGSEGV: a kernel without the 32-bit entry */
	return WTERMSIG(status) == SIGSYS || WTERMSIG(status) == SIGSEGV ? KILLED : EINTR;
}

static const char *spell(int result)
{
	if (result == KILLED)
		return "killed";
	return result == 0 ? "success" : strerrorname_np(result);
}

/* Runs all cases of a table; returns how many came out otherwise than they should. */
static int attack(enum mode mode)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof(attacks) / sizeof(attacks[0]); i++) {
		int result = run(&attacks[i]);
		bool denied = result == attacks[i].expect;
		if (result == UNTRIED) {
			printf("%s: not to be tried here\n", attacks[i].name);
		} else if (mode == MODE_INSIDE) {
			printf("%s: %s %s\n", attacks[i].name, denied ? "denied" : "ALLOWED", spell(result));
			wrong += !denied;
		} else if (denied && attacks[i].closed_by_some_kernels) {
			printf("%s: %s by this kernel itself\n", attacks[i].name, spell(result));
		} else {
			printf("%s: %s %s\n", attacks[i].name, denied ? "NOT REACHED" : "reached",
			       spell(result));
			wrong += denied;
		}
	}
	return wrong;
}

static int use(void)
{
	int wrong = 0;

	for (size_t i = 0; i < sizeof(ordinary) / sizeof(ordinary[0]); i++) {
		int result = run(&ordinary[i]);
		bool works = result == ordinary[i].expect;
		printf("%s: %s %s\n", ordinary[i].name, works ? "works" : "BROKEN", spell(result));
		wrong += !works;
	}
	return wrong;
}

static void load(void)
{
	const struct sock_fprog program = {
		.len = sizeof(seccomp_filter) / sizeof(seccomp_filter[0]),
		.filter = (struct sock_filter *)seccomp_filter,
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
		err(2, "cannot load the filter");
}

int main(int argc, char **argv)
{
	const char *option = argc > 1 ? argv[1] : "";
	enum mode mode = MODE_INSIDE;

	setvbuf(stdout, NULL, _IOLBF, 0); /* children inherit what is buffered */
	if (strcmp(option, "--exec") == 0 && argc > 2) {
		load();
		execvp(argv[2], &argv[2]);
		err(127, "%s", argv[2]);
	}
	if (argc > 2 || (argc == 2 && strcmp(option, "--load") != 0 && strcmp(option, "--control") != 0))
		errx(2, "usage: seccomp_probe [--load | --control | --exec COMMAND [ARGUMENT...]]");
	if (strcmp(option, "--load") == 0)
		load();
	if (strcmp(option, "--control") == 0)
		mode = MODE_CONTROL;

	int wrong = attack(mode) + use();
	printf("%d of %zu cases not as expected\n", wrong,
	       sizeof(attacks) / sizeof(attacks[0]) + sizeof(ordinary) / sizeof(ordinary[0]));
	return wrong != 0;
}
