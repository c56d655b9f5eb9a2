/* program.c - see program.h. Used by the keeper and carrelctl, as root, on the host. */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

static const char *const directories[] = { "/usr/sbin", "/sbin", "/usr/bin", "/bin" };

int program_find(const char *name, char path[PROGRAM_PATH_MAX])
{
	if (name[0] == '/')
		return text_format(path, PROGRAM_PATH_MAX, "%s", name);
	for (size_t i = 0; i < ARRAY_SIZE(directories); i++)
		if (text_format(path, PROGRAM_PATH_MAX, "%s/%s", directories[i], name) == 0 &&
		    access(path, X_OK) == 0)
			return 0;
	return -ENOENT;
}

bool program_exists(const char *name)
{
	char path[PROGRAM_PATH_MAX];

	return program_find(name, path) == 0;
}

/* In the child. Never returns. */
static void become(const char *path, char *const argv[], int cwd_fd, int output, pid_t parent)
{
	char path_variable[] = "PATH=/usr/sbin:/sbin:/usr/bin:/bin", locale[] = "LC_ALL=C";
	char *const envp[] = { path_variable, locale, NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	alarm(0);
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent || null < 0 || fchdir(cwd_fd) < 0 ||
	    dup2(null, 0) < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 ||
	    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	execve(path, argv, envp);
	_exit(127);
}

/* What it prints, up to the end of file or the deadline; what does not fit is read and forgotten. */
static int collect(int fd, int64_t deadline, char *text, size_t size)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	char rest[512] = "";
	size_t used = 0;

	text[0] = '\0';
	for (;;) {
		int64_t left = deadline - fs_now_ms();
		int ready = left > 0 ? poll(&poller, 1, (int)left) : 0;
		if (ready < 0 && errno == EINTR)
			continue;
		if (ready <= 0)
			return ready < 0 ? -errno : -ETIMEDOUT;
		bool full = used + 1 >= size;
		ssize_t n = read(fd, full ? rest : text + used, full ? sizeof(rest) : size - 1 - used);
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (!full) {
			used += (size_t)n;
			text[used] = '\0';
		}
	}
}

int program_read(char *const argv[], int cwd_fd, int timeout_ms, char *text, size_t size,
		 struct carrel_error *err)
{
	char path[PROGRAM_PATH_MAX], safe[256];
	int pipe_fds[2], status = 0;

	if (program_find(argv[0], path) < 0)
		return error_set(err, ENOENT, "there is no program '%s'", argv[0]);
	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make a pipe");
	_cleanup_close_ int ours = pipe_fds[0], theirs = pipe_fds[1];
	pid_t self = getpid(), pid = fork();
	if (pid < 0)
		return error_errno(err, "cannot fork");
	if (pid == 0)
		become(path, argv, cwd_fd, theirs, self);
	close_fd(&theirs);
	int r = collect(ours, fs_now_ms() + timeout_ms, text, size);
	/* Our own child, not waited for yet: its pid cannot be anybody else's. */
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return error_set(err, -r, "'%s' did not end in time", argv[0]);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	error_set(err, EIO, "'%s' failed: %s", argv[0], text_escape(safe, sizeof(safe), text));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -EIO;
}

int program_run(char *const argv[], int cwd_fd, int timeout_ms, struct carrel_error *err)
{
	char text[256];

	return program_read(argv, cwd_fd, timeout_ms, text, sizeof(text), err);
}
