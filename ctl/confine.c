/*
 * confine.c - see confine.h. Run by carrelctl, as root.
 *
 *	carrelctl                 root; waits, shows progress, takes signals
 *	 └─ confined_child()      PID 1 of its own namespaces; builds its root, gives up everything, becomes the program
 *
 * It stays uid 0, because files that the administrator named may be readable for root only. Without capabilities
 * and with nothing else in sight that is the owner of a few read-only mounts.
 */
#include "confine.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/mountfd.h"
#include "core/paths.h"
#include "core/text.h"

#define MEMORY_MAX (UINT64_C(4) << 30)
#define SETUP_EXIT 126
#define TREES_MAX  32
#define READ_ONLY  (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define WRITABLE   (MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)

/* What a program needs to start. On most hosts all but the first are links into it. */
static const char *const system_dirs[] = { "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32" };
static const char *const program_dirs[] = { "/usr/bin", "/usr/local/bin", "/bin" };

/* A mount to be, taken while the host's are in sight. */
struct tree {
	int fd;
	const char *path; /* in the new root, absolute */
};

struct trees {
	struct tree tree[TREES_MAX];
	unsigned count;
};

static int take(struct trees *trees, int dirfd, const char *from, const char *to, uint64_t attrs,
		struct carrel_error *err)
{
	if (trees->count == TREES_MAX)
		return error_set(err, E2BIG, "too many mounts");
	int fd = mountfd_clone(dirfd, from, attrs, -1, err);
	if (fd < 0)
		return fd;
	trees->tree[trees->count++] = (struct tree){ .fd = fd, .path = to };
	return 0;
}

static int take_all(const struct confine *confine, struct trees *trees, struct carrel_error *err)
{
	struct stat st;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(system_dirs) && r == 0; i++)
		if (lstat(system_dirs[i], &st) == 0 && S_ISDIR(st.st_mode))
			r = take(trees, AT_FDCWD, system_dirs[i], system_dirs[i], READ_ONLY, err);
	for (const char *const *extra = confine->extras; extra && *extra && r == 0; extra++) {
		_cleanup_close_ int fd = open(*extra, O_PATH | O_CLOEXEC);
		if (fd >= 0)
			r = take(trees, fd, "", *extra, READ_ONLY, err);
	}
	if (r == 0 && confine->source_fd >= 0)
		r = take(trees, confine->source_fd, "", CONFINE_SOURCE, READ_ONLY | MOUNT_ATTR_NOEXEC, err);
	if (r == 0 && confine->work_fd >= 0)
		r = take(trees, confine->work_fd, "", CONFINE_WORK, WRITABLE, err);
	return r;
}

/* Something of the tree's kind to mount it on, with the directories above it. "." is the new root. */
static int make_target(const struct tree *tree, struct carrel_error *err)
{
	char path[256];
	struct stat st;

	if (fstat(tree->fd, &st) < 0 || text_format(path, sizeof(path), "%s", tree->path + 1) < 0)
		return error_errno(err, "cannot make room for '%s'", tree->path);
	for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	if (S_ISDIR(st.st_mode))
		return mkdir(path, 0755) < 0 && errno != EEXIST
			       ? error_errno(err, "cannot make '%s'", tree->path)
			       : 0;
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	return fd < 0 ? error_errno(err, "cannot make '%s'", tree->path) : 0;
}

static int attach_all(const struct trees *trees, struct carrel_error *err)
{
	int r = 0;

	for (unsigned i = 0; i < trees->count && r == 0; i++) {
		r = make_target(&trees->tree[i], err);
		if (r == 0)
			r = mountfd_attach(trees->tree[i].fd, AT_FDCWD, trees->tree[i].path + 1, err);
	}
	return r;
}

/* /bin and its like, where they are links into /usr. */
static int copy_links(struct carrel_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(system_dirs); i++) {
		char target[256];
		ssize_t n = readlink(system_dirs[i], target, sizeof(target) - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		if (symlink(target, system_dirs[i] + 1) < 0)
			return error_errno(err, "cannot make '%s'", system_dirs[i]);
	}
	return 0;
}

static int enter_root(const struct confine *confine, struct carrel_error *err)
{
	static const struct mountfd_option options[] = { { "size", "1m" },
							 { "mode", "0755" },
							 { NULL, NULL } };
	struct mount_attr locked = { .attr_set = READ_ONLY };
	struct trees trees = { .count = 0 };

	/* Trees can be taken from one's own mount namespace only: before it is a new one. */
	int r = take_all(confine, &trees, err);
	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_errno(err, "cannot make a mount namespace");
	int root = mountfd_new("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, err);
	if (root < 0)
		return root;
	/* In this namespace nobody else sees it; that directory is there on every host that has Carrel. */
	r = mountfd_attach(root, AT_FDCWD, CARREL_STATE_DIR, err);
	if (r == 0 && fchdir(root) < 0)
		r = error_errno(err, "cannot enter the new root");
	if (r == 0)
		r = copy_links(err);
	if (r == 0)
		r = attach_all(&trees, err);
	if (r < 0)
		return r;
	if (mount_setattr(root, "", AT_EMPTY_PATH, &locked, sizeof(locked)) < 0 ||
	    syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_errno(err, "cannot enter the new root");
	return 0;
}

/* Standard error is a pipe to the parent from here on; the rest is closed by the exec. */
static int arrange_descriptors(const struct confine *confine, int error_fd)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0 || dup2(error_fd, STDERR_FILENO) < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(confine->stdout_fd >= 0 ? confine->stdout_fd : null, STDOUT_FILENO) < 0 ||
	    close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -1;
	return confine_die_with_parent(STDERR_FILENO);
}

static void confined_child(const struct confine *confine, const char *path, int error_fd)
{
	static const char *const no_environment[] = { NULL };
	struct carrel_error err = { 0 };

	confine_reset_signals();
	umask(022);
	if (arrange_descriptors(confine, error_fd) < 0)
		_exit(SETUP_EXIT);
	int r = enter_root(confine, &err);
	if (r == 0)
		r = confine_limit_resources(MEMORY_MAX, confine->file_max, &err);
	if (r == 0)
		r = confine_drop_capabilities(NULL, 0, &err);
	if (r == 0) {
		(void)execve(path, (char *const *)confine->argv,
			     (char *const *)(confine->env ? confine->env : no_environment));
		(void)error_errno(&err, "cannot run '%s'", path);
	}
	dprintf(STDERR_FILENO, "%s\n", err.msg);
	_exit(SETUP_EXIT);
}

static int find_program(const struct confine *confine, char *path, size_t size, struct carrel_error *err)
{
	if (confine->program[0] == '/')
		return text_format(path, size, "%s", confine->program);
	for (size_t i = 0; i < ARRAY_SIZE(program_dirs); i++) {
		int r = text_format(path, size, "%s/%s", program_dirs[i], confine->program);
		if (r == 0 && access(path, X_OK) == 0)
			return 0;
	}
	return error_set(err, ENOENT, "this needs the program '%s' (Debian package %s)", confine->program,
			 confine->package);
}

/* What it has to say: the last line that is not empty. */
struct said {
	char line[256], last[256];
	size_t used;
};

static void hear(struct said *said, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++) {
		if (text[i] != '\n' && text[i] != '\r') {
			if (said->used + 1 < sizeof(said->line))
				said->line[said->used++] = text[i];
			continue;
		}
		said->line[said->used] = '\0';
		if (said->used)
			memcpy(said->last, said->line, sizeof(said->last));
		said->used = 0;
	}
}

static void hear_rest(struct said *said, int fd)
{
	char text[1024];
	ssize_t n;

	while ((n = read(fd, text, sizeof(text))) > 0)
		hear(said, text, (size_t)n);
	hear(said, "\n", 1);
}

struct running {
	pid_t pid;
	int pidfd, error_fd;
};

static int start(const struct confine *confine, const char *path, struct running *running,
		 struct carrel_error *err)
{
	int pidfd = -EBADF, pipe_fds[2];

	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) < 0)
		return error_errno(err, "cannot make a pipe");
	_cleanup_close_ int ours = pipe_fds[0], theirs = pipe_fds[1];
	(void)fcntl(theirs, F_SETFL, 0); /* only our end does not wait */
	pid_t pid = confine_fork(confine->network, &pidfd, err);
	if (pid == 0) {
		close_fd(&ours);
		confined_child(confine, path, theirs);
	}
	if (pid < 0)
		return error_context(err, "cannot start '%s'", confine->program);
	*running = (struct running){ .pid = pid, .pidfd = pidfd, .error_fd = steal_fd(&ours) };
	return 0;
}

/* Until the program has ended; what it writes is read meanwhile. */
static int attend(struct running *running, struct said *said, struct progress *progress,
		  int (*tick)(void *arg, struct carrel_error *err), void *arg, struct carrel_error *err)
{
	struct pollfd pollers[] = { { .fd = running->pidfd, .events = POLLIN },
				    { .fd = running->error_fd, .events = POLLIN } };
	char text[1024];

	for (;;) {
		int r = progress_wait(progress, pollers, ARRAY_SIZE(pollers), err);
		if (r < 0)
			return r;
		if (r > 0 && pollers[0].revents)
			return 0;
		if (r > 0 && pollers[1].revents) {
			ssize_t n = read(running->error_fd, text, sizeof(text));
			if (n > 0)
				hear(said, text, (size_t)n);
			else if (n == 0)
				pollers[1].fd = -1; /* closed: the end is near */
		}
		r = tick ? tick(arg, err) : 0;
		if (r < 0)
			return r;
	}
}

/* As "curl: (6) ...": most programs put their name before what they say. */
static bool says_name(const char *line, const char *program)
{
	size_t n = strlen(program);

	return strncmp(line, program, n) == 0 && line[n] == ':';
}

int confine_run(const struct confine *confine, struct progress *progress,
		int (*tick)(void *arg, struct carrel_error *err), void *arg, struct carrel_error *err)
{
	struct said said = { .used = 0 };
	struct running running = { .pidfd = -EBADF, .error_fd = -EBADF };
	char path[128];
	int status = 0;

	int r = find_program(confine, path, sizeof(path), err);
	if (r == 0)
		r = start(confine, path, &running, err);
	if (r < 0)
		return r;
	r = attend(&running, &said, progress, tick, arg, err);
	if (r < 0)
		(void)kill(running.pid,
			   SIGKILL); /* our own child, not yet waited for: it cannot be a stranger */
	while (waitpid(running.pid, &status, 0) < 0 && errno == EINTR)
		;
	close_fd(&running.pidfd);
	hear_rest(&said, running.error_fd);
	close_fd(&running.error_fd);
	if (r < 0)
		return r;
	if (WIFSIGNALED(status))
		return error_set(err, EIO, "'%s' died by signal %d", confine->program, WTERMSIG(status));
	if (WEXITSTATUS(status) && says_name(said.last, confine->program))
		(void)error_set(err, EIO, "%s", said.last);
	else if (WEXITSTATUS(status))
		(void)error_set(err, EIO, "%s: %s", confine->program,
				said.last[0] ? said.last : "it failed and did not say why");
	return WEXITSTATUS(status);
}
