/*
 * keeper_start.c - see keeper_start.h.
 *
 *	sshd monitor ── intermediate (exits at once, reaped here) ── carrel-keeper (init's child by then)
 *
 * The program that loaded us never hears of these processes: it must not have to reap a keeper that it did not
 * start, and its own handling of SIGCHLD must not meet one. Everything between the clone and the exec is plain
 * system calls: the program may have threads, and locks that one of them holds are not for the child to take.
 */
#include "keeper_start.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "core/wire.h"

#define FIRST_UNUSED_FD (WIRE_OPENER_FD + 1)

enum start_step {
	START_FORK,
	START_ROOT,
	START_DESCRIPTORS,
	START_EXEC,
};

static const char *const step_text[] = {
	[START_FORK] = "cannot fork to start the keeper",
	[START_ROOT] = "cannot become root to start the keeper",
	[START_DESCRIPTORS] = "cannot arrange the keeper's descriptors",
	[START_EXEC] = "cannot run '" CARREL_KEEPER "'",
};

void start_error_text(const struct start_error *error, char *text, size_t size)
{
	const char *what = "cannot start the keeper";

	if (error->step >= 0 && (size_t)error->step < ARRAY_SIZE(step_text))
		what = step_text[error->step];
	snprintf(text, size, "%s: %s", what, strerror(error->code));
}

/* What the two new processes work on: memory of this one, which stands still until they are done with it. */
struct start {
	const char *const *argv;
	int answer_fd, opener_fd;
	char *stacks; /* STACK_SIZE for each of the two */
};

#define STACK_SIZE (64 * 1024)

/*
 * As posix_spawn does it: the child runs in our memory, on a stack of its own, and we stand still until it has exec'd or
 * ended, so nothing of a large program is copied. The exit signal is 0: the end of the child raises no SIGCHLD, an
 * ignored SIGCHLD does not reap it first, and a wait for "any child" does not find it. Such a child is waited for with
 * __WALL.
 */
static pid_t run_silently(int (*child)(void *), char *stack, struct start *start)
{
	return clone(child, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, start);
}

static void __attribute__((noreturn)) fail(int answer_fd, enum start_step step)
{
	struct start_error error = { .word = START_ERROR_WORD, .step = (int)step, .code = errno };

	(void)send(answer_fd, &error, sizeof(error), MSG_NOSIGNAL | MSG_DONTWAIT);
	_exit(127);
}

/*
 * All of root, nothing of a caller: su is set-user-ID, and with the invoking user's real uid the keeper could be
 * sent signals by that user. System calls, because the library's functions would signal threads that are not here.
 */
static int become_root(void)
{
	if (syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setgroups, 0, NULL) < 0 ||
	    syscall(SYS_setresuid, 0, 0, 0) < 0)
		return -1;
	return 0;
}

/* 0, 1, 2: /dev/null, 3: the answer, 4: the opener, and no other. The two sources may be anywhere. */
static int arrange_descriptors(int answer_fd, int opener_fd)
{
	int null_fd;

	if (answer_fd < FIRST_UNUSED_FD)
		answer_fd = fcntl(answer_fd, F_DUPFD_CLOEXEC, FIRST_UNUSED_FD);
	if (opener_fd < FIRST_UNUSED_FD)
		opener_fd = fcntl(opener_fd, F_DUPFD_CLOEXEC, FIRST_UNUSED_FD);
	/* The one descriptor without O_CLOEXEC: it may already be one of 0, 1, 2, which dup2 leaves alone. */
	null_fd = open("/dev/null", O_RDWR); /* NOLINT(android-cloexec-open) */
	if (answer_fd < 0 || opener_fd < 0 || null_fd < 0)
		return -1;
	for (int fd = 0; fd <= 2; fd++) {
		if (dup2(null_fd, fd) < 0)
			return -1;
	}
	if (dup2(answer_fd, WIRE_ANSWER_FD) < 0 || dup2(opener_fd, WIRE_OPENER_FD) < 0)
		return -1;
	return (int)syscall(SYS_close_range, FIRST_UNUSED_FD, ~0U, 0);
}

/* Handlers first: with the mask empty, one of the program's could run in here. */
static void reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &action, NULL);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void __attribute__((noreturn)) become_keeper(const char *const argv[], int answer_fd, int opener_fd)
{
	static char *const no_environment[] = { NULL };

	(void)setsid();
	reset_signals();
	(void)umask(022);
	if (become_root() < 0)
		fail(answer_fd, START_ROOT);
	if (chdir("/") < 0 || arrange_descriptors(answer_fd, opener_fd) < 0)
		fail(answer_fd, START_DESCRIPTORS);
	execve(CARREL_KEEPER, (char *const *)argv, no_environment);
	fail(WIRE_ANSWER_FD, START_EXEC);
}

static int keeper_process(void *arg)
{
	struct start *start = arg;

	become_keeper(start->argv, start->answer_fd, start->opener_fd);
}

static int intermediate_process(void *arg)
{
	struct start *start = arg;

	if (run_silently(keeper_process, start->stacks + STACK_SIZE, start) < 0)
		fail(start->answer_fd, START_FORK);
	_exit(0);
}

int keeper_start(const char *const argv[], int answer_fd, int opener_fd)
{
	struct start start = { .argv = argv, .answer_fd = answer_fd, .opener_fd = opener_fd };
	sigset_t all, saved;

	start.stacks = mmap(NULL, (size_t)2 * STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (start.stacks == MAP_FAILED)
		return -errno;
	/* Until the handlers are reset, a signal would run the program's own in the child. */
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &saved);
	pid_t intermediate = run_silently(intermediate_process, start.stacks, &start);
	int error = intermediate < 0 ? errno : 0;
	(void)sigprocmask(SIG_SETMASK, &saved, NULL);
	while (!error && waitpid(intermediate, NULL, __WALL) < 0 && errno == EINTR)
		continue;
	(void)munmap(start.stacks, (size_t)2 * STACK_SIZE);
	return -error;
}
