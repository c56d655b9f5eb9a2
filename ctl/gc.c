/*
 * gc.c - `carrelctl gc`: what keepers, imports and changes that were killed have left.
 *
 * A session's remains are removed by a keeper, which alone knows how: `carrel-keeper close ID`, see core/wire.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/faults.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/wire.h"
#include "ctl.h"
#include "image_staging.h"
#include "rootfs.h"

#define CLOSE_TIMEOUT_MS 60000
#define DOWNLOAD_KEPT_S	 ((time_t)7 * 24 * 60 * 60)

/* In the child: the descriptors that a keeper expects, no environment, default signals. Never returns. */
static void exec_keeper(const char *id, int answer)
{
	char program[] = "carrel-keeper", verb[] = "close", copy[SESSION_ID_MAX];
	char *const argv[] = { program, verb, copy, NULL };
	char *const envp[] = { NULL };
	sigset_t none;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)snprintf(copy, sizeof(copy), "%s", id);
	/* The answer's descriptor may have any number: out of the way of those that are made first. */
	int aside = fcntl(answer, F_DUPFD_CLOEXEC, WIRE_OPENER_FD + 1);
	if (null < 0 || aside < 0 || dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
	    dup2(aside, WIRE_ANSWER_FD) < 0 || close_range(WIRE_ANSWER_FD + 1, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		_exit(126);
	execve(CARREL_KEEPER, argv, envp);
	_exit(127);
}

/* Wait for the one datagram. Its length, 0 at an end of file, or -errno. */
static ssize_t receive_answer(int fd, char *answer, size_t size)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&poller, 1, CLOSE_TIMEOUT_MS);
	while (ready < 0 && errno == EINTR);
	if (ready <= 0)
		return ready < 0 ? -errno : -ETIMEDOUT;
	ssize_t n = recv(fd, answer, size - 1, 0);
	if (n < 0)
		return -errno;
	answer[n] = '\0';
	return n;
}

static int read_answer(int fd, struct carrel_error *err)
{
	char answer[WIRE_ANSWER_MAX] = "";
	ssize_t n = receive_answer(fd, answer, sizeof(answer));

	if (n < 0)
		return error_set(err, (int)-n, "no answer: %s", strerror((int)-n));
	if (strcmp(answer, "GONE\n") == 0)
		return 0;
	char *line = strncmp(answer, "REFUSE\n", 7) == 0 ? strchr(answer + 7, '\n') : NULL;
	if (!line)
		return error_set(err, EPROTO, "it ended without an answer");
	line[1 + strcspn(line + 1, "\n")] = '\0';
	return error_set(err, EIO, "%s", line + 1);
}

int gc_close_session(const char *id, struct carrel_error *err)
{
	int pair[2], status;

	if (access(CARREL_KEEPER, X_OK) < 0)
		return error_errno(err, "cannot run '%s'", CARREL_KEEPER);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "cannot make a socket");
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	pid_t pid = fork();
	if (pid < 0)
		return error_errno(err, "cannot fork");
	if (pid == 0)
		exec_keeper(id, theirs);
	close_fd(&theirs);
	int r = read_answer(ours, err);
	/* A keeper that is still at it after the time limit is left to finish. */
	if (r != -ETIMEDOUT)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	return r < 0 ? error_context(err, "session '%s'", id) : 0;
}

static int collect_sessions(void)
{
	_cleanup_free_ char **ids = NULL;
	struct carrel_error err = { 0 };
	int status = CTL_DONE, n = session_list((uid_t)-1, &ids, &err);

	if (n < 0)
		return ctl_fail(&err);
	for (int i = 0; i < n; i++) {
		int r = session_alive(ids[i], &err);
		if (r == 1)
			continue;
		if (r == 0)
			r = gc_close_session(ids[i], &err);
		if (r < 0)
			status = ctl_fail(&err);
		else
			printf("removed session %s\n", ids[i]);
	}
	return status;
}

/* Of accounts that are gone, with their files: until then the history is worth keeping. */
static int collect_faults(void)
{
	struct carrel_error err = { 0 };
	_cleanup_free_ uid_t *uids = NULL;
	_cleanup_close_ int dir = faults_open(&err);
	ssize_t n = dir < 0 ? dir : faults_users(dir, &uids, &err);
	int status = n < 0 ? ctl_fail(&err) : CTL_DONE;

	for (ssize_t i = 0; i < n; i++) {
		char path[64];

		(void)snprintf(path, sizeof(path), CARREL_USERS "/%u", uids[i]);
		errno = 0;
		if (access(path, F_OK) == 0 || getpwuid(uids[i]) || (errno && errno != ENOENT))
			continue;
		if (faults_remove(dir, uids[i], &err) < 0)
			status = ctl_fail(&err);
		else
			printf("removed the faults of uid %u\n", uids[i]);
	}
	return status;
}

/* Of users without a session: a change that was interrupted. */
static int finish_change(struct rootfs *rootfs, void *arg, struct carrel_error *err)
{
	bool *failed = arg;

	_cleanup_close_ int fd = openat(rootfs->users_fd, rootfs->dir,
					O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || !change_remains(fd))
		return 0;
	int r = rootfs_take(rootfs, false, err);
	if (r == -EBUSY)
		return 0;
	if (r == 0)
		r = change_sweep(rootfs->lock_fd, rootfs->uid, err);
	if (r == 0)
		printf("finished the interrupted change of '%s'\n", rootfs->dir);
	else
		*failed = true, ctl_fail(err);
	return 0;
}

static int collect_rootfs(void)
{
	struct carrel_error err = { 0 };
	bool failed = false;

	if (access(CARREL_USERS, F_OK) < 0)
		return CTL_DONE;
	if (rootfs_each(finish_change, &failed, &err) < 0)
		return ctl_fail(&err);
	_cleanup_close_ int users = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int n = users < 0 ? error_errno(&err, "cannot open '" CARREL_USERS "'") : state_sweep(users, &err);
	if (n < 0)
		return ctl_fail(&err);
	if (n > 0)
		printf("removed %d root filesystem%s that %s being removed\n", n, n == 1 ? "" : "s",
		       n == 1 ? "was" : "were");
	return failed ? CTL_FAILED : CTL_DONE;
}

/* Downloads that were broken off and that nobody has gone on with for a week. One at work is locked. */
static int collect_downloads(void)
{
	_cleanup_close_ int downloads = open(CARREL_DOWNLOADS,
					     O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = downloads < 0 ? NULL : fs_opendir(downloads);
	struct carrel_error err = { 0 };
	struct dirent *entry;
	struct stat st;

	if (!dir && errno == ENOENT)
		return CTL_DONE;
	while (dir && (entry = readdir(dir))) {
		const char *end = strrchr(entry->d_name, '.');
		_cleanup_close_ int fd = end && strcmp(end, ".part") == 0
						 ? fs_open_child(downloads, entry->d_name, O_RDONLY)
						 : -EBADF;
		if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
		    time(NULL) - st.st_mtime < DOWNLOAD_KEPT_S || fs_lock(fd, 0) < 0)
			continue;
		if (unlinkat(downloads, entry->d_name, 0) == 0)
			printf("removed the unfinished download '%s'\n", entry->d_name);
		else
			error_errno(&err, "cannot remove '%s/%s'", CARREL_DOWNLOADS, entry->d_name);
	}
	if (!dir)
		error_errno(&err, "cannot read '%s'", CARREL_DOWNLOADS);
	return err.code ? ctl_fail(&err) : CTL_DONE;
}

int verb_gc(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };

	(void)args;
	int status = collect_sessions();
	if (collect_rootfs() != CTL_DONE)
		status = CTL_FAILED;
	if (collect_faults() != CTL_DONE)
		status = CTL_FAILED;
	if (collect_downloads() != CTL_DONE)
		status = CTL_FAILED;
	int removed = staging_sweep(&err);
	if (removed < 0)
		return ctl_fail(&err);
	if (removed > 0)
		printf("removed %d unfinished image%s\n", removed, removed == 1 ? "" : "s");
	return status;
}
