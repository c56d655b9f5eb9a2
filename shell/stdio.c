/*
 * stdio.c - see stdio.h. Runs in carrel-shell, as the user, on the host.
 */
#include "shell/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"
#include "shell/terminal.h"

/* The last line of a session is worth some waiting, but not for ever. */
#define COMPLAINT_MS 5000

/* Stands for 2 after stdio_started: the same pipe or file, not waiting for a reader that does not read; or negative. */
static int stderr_own = -EBADF;
/* The command had a terminal: whatever it has left its cursor at, we begin a line. */
static bool on_terminal;

int stdio_sanitize(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0 || close_range(STDERR_FILENO + 1, ~0U, 0) < 0)
		return -errno;
	return 0;
}

static int open_null(struct carrel_error *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	return fd < 0 ? error_errno(err, "cannot open '/dev/null'") : fd;
}

/*
 * What may be handed to the sandbox as it is: init takes no device but /dev/null, for one that its user may use outside
 * is not one that root inside should have. A directory leads out of the sandbox, a block device to a disk; nobody has
 * those as standard input by chance.
 */
enum kind { KIND_GIVE, KIND_STAND_IN, KIND_REFUSE };

static enum kind kind_of(int fd)
{
	const dev_t null = makedev(1, 3);
	struct stat st;

	if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode) || S_ISBLK(st.st_mode) || fcntl(fd, F_GETFL) & O_PATH)
		return KIND_REFUSE;
	return S_ISCHR(st.st_mode) && st.st_rdev != null ? KIND_STAND_IN : KIND_GIVE;
}

/* A pipe in place of the device on `fd`: its far end for the sandbox, and both sides of the relay. */
static int put_pipe(struct stdio *stdio, int fd, struct carrel_error *err)
{
	int ends[2];
	int far = fd == STDIN_FILENO ? 0 : 1;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make a pipe");
	stdio->give[fd] = ends[far];
	stdio->inner[fd] = ends[!far];
	/* Only our end: a command does not expect its output to be non-blocking. */
	if (fcntl(stdio->inner[fd], F_SETFL, O_NONBLOCK) < 0)
		return error_errno(err, "cannot set up a pipe");
	stdio->outer[fd] = isatty(fd) ? terminal_open(fd) : fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (stdio->outer[fd] < 0)
		return error_set(err, EIO, "cannot open the terminal");
	return 0;
}

static int give(struct stdio *stdio, int fd, struct carrel_error *err)
{
	switch (kind_of(fd)) {
	case KIND_STAND_IN:
		return put_pipe(stdio, fd, err);
	case KIND_GIVE:
		stdio->give[fd] = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		return stdio->give[fd] < 0 ? error_errno(err, "cannot duplicate descriptor %d", fd) : 0;
	default:
		return error_set(err, EPERM, "standard %s is nothing that a sandbox may have",
				 fd == STDIN_FILENO    ? "input"
				 : fd == STDOUT_FILENO ? "output"
						       : "error");
	}
}

int stdio_plan(struct stdio *stdio, struct carrel_error *err)
{
	*stdio = (struct stdio){
		.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO),
		.give = { -EBADF, -EBADF, -EBADF },
		.outer = { -EBADF, -EBADF, -EBADF },
		.inner = { -EBADF, -EBADF, -EBADF },
	};
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int ret = stdio->terminal ? stdio->give[fd] = open_null(err) : give(stdio, fd, err);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int stdio_describe_terminal(struct wire_request *head, struct carrel_error *err)
{
	head->flags |= WIRE_TERMINAL;
	if (tcgetattr(STDIN_FILENO, &head->termios) < 0)
		return error_errno(err, "cannot read the terminal's modes");
	(void)ioctl(STDIN_FILENO, TIOCGWINSZ, &head->window); /* none: 0 by 0, as the kernel has it */
	return 0;
}

/* Make `fd` /dev/null. Should that be impossible, a closed one lets go just as well. */
static void let_go(int fd)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(null, fd) < 0)
		close(fd);
}

void stdio_handed_over(struct stdio *stdio)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		close_fd(&stdio->give[fd]);
	if (stdio->terminal)
		return;
	let_go(STDIN_FILENO);
	let_go(STDOUT_FILENO);
}

/*
 * Of a description of our own, since the command does not expect its standard error to be non-blocking. We stay a writer of the
 * pipe for as long as the command runs: what there is to say is often said when it has just been killed, and without a writer
 * sshd had closed the pipe by then. A command that closes its standard error and goes on thus makes no end of file.
 */
void stdio_started(const struct stdio *stdio)
{
	on_terminal = stdio->terminal;
	if (stdio->terminal || kind_of(STDERR_FILENO) != KIND_GIVE)
		return; /* it was not handed over */
	stderr_own = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (stderr_own >= 0)
		let_go(STDERR_FILENO);
}

int stdio_relay(struct stdio *stdio, int master, struct relay *relay, struct carrel_error *err)
{
	if (stdio->terminal) {
		_cleanup_close_ int in = terminal_open(STDIN_FILENO);
		_cleanup_close_ int out = terminal_open(STDOUT_FILENO);
		_cleanup_close_ int master_in = fcntl(master, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
		_cleanup_close_ int master_out = fcntl(master, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

		if (in < 0 || out < 0)
			return error_set(err, EIO, "cannot open the terminal");
		/* The master's file description is ours alone, so this disturbs nobody. */
		if (master_in < 0 || master_out < 0 || fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK) < 0)
			return error_errno(err, "cannot set up the inner terminal");
		relay->terminal = STDIN_FILENO;
		relay->master = master;
		relay_add(relay, steal_fd(&in), steal_fd(&master_in), true);
		relay_add(relay, steal_fd(&master_out), steal_fd(&out), false);
		return 0;
	}
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		bool inward = fd == STDIN_FILENO;
		int *from = inward ? &stdio->outer[fd] : &stdio->inner[fd];
		int *to = inward ? &stdio->inner[fd] : &stdio->outer[fd];

		if (stdio->inner[fd] >= 0)
			relay_add(relay, steal_fd(from), steal_fd(to), inward);
	}
	return 0;
}

/* A descriptor that says it can be written takes a line without waiting. */
static void put_line(const char *text, int timeout_ms)
{
	char line[4 * CARREL_ERROR_MAX + 16];
	struct pollfd p = { .fd = stderr_own >= 0 ? stderr_own : STDERR_FILENO, .events = POLLOUT };

	int n = snprintf(line, sizeof(line), "%scarrel: %s\n", on_terminal ? "\n" : "", text);
	if (poll(&p, 1, timeout_ms) != 1 || write(p.fd, line, (size_t)n) < 0)
		return; /* there is nobody left to tell */
}

void stdio_complain(const char *message)
{
	char safe[4 * CARREL_ERROR_MAX];

	put_line(text_escape(safe, sizeof(safe), message), COMPLAINT_MS);
}

void stdio_notice(const char *text)
{
	put_line(text, 0);
}
