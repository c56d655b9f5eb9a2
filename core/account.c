/* account.c - see account.h. Used by the keeper and carrelctl, as root, on the host. */
#include "account.h"

#include <errno.h>
#include <fcntl.h>
#include <shadow.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"

#define DAY 86400 /* seconds; the days of shadow(5) begin at midnight UTC, too */

bool account_home_differs(const struct home_id *was, const struct home_id *is)
{
	if (!was->inode || !is->inode)
		return false;
	return was->inode != is->inode || (was->birth && is->birth && was->birth != is->birth);
}

/* On the very day of the last login, too: nobody knows what came first. */
static bool password_was_changed(int64_t day, uint64_t last_login)
{
	return day == 0 || (day > 0 && (uint64_t)day >= last_login / DAY);
}

bool account_is_other(const struct state_owner *owner, uid_t uid, const char *name,
		      const struct home_id *home, int64_t password_day)
{
	if (owner->uid != uid || strcmp(owner->name, name) != 0)
		return true;
	return account_home_differs(&owner->home, home) &&
	       password_was_changed(password_day, owner->last_login);
}

void account_find_home(const char *path, struct home_id *home)
{
	char real[FS_PATH_MAX];
	struct statx stx;
	_cleanup_close_ int fd = fs_open_trusted(path, real, NULL);

	*home = (struct home_id){ 0 };
	/* By its path: one that is mounted when somebody goes there has to be mounted first. */
	if (fd < 0 ||
	    statx(AT_FDCWD, real, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_INO | STATX_BTIME, &stx) < 0 ||
	    !S_ISDIR(stx.stx_mode))
		return;
	home->inode = stx.stx_ino;
	if (stx.stx_mask & STATX_BTIME && stx.stx_btime.tv_sec > 0)
		home->birth = (uint64_t)stx.stx_btime.tv_sec * 1000000000u + stx.stx_btime.tv_nsec;
}

/* In the child, which ends with its parent: whatever answers may take its time. */
static void answer_day(int fd, const char *name, pid_t parent)
{
	int64_t day = ACCOUNT_DAY_UNKNOWN;

	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
		_exit(1);
	const struct spwd *entry = getspnam(name);
	if (entry && entry->sp_lstchg >= 0)
		day = entry->sp_lstchg;
	_exit(write(fd, &day, sizeof(day)) == sizeof(day) ? 0 : 1);
}

int account_password_day(const char *name, int64_t *day, struct carrel_error *err)
{
	int ends[2], status = 0;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make a pipe");
	_cleanup_close_ int ours = ends[0], theirs = ends[1];
	pid_t self = getpid(), pid = fork();
	if (pid < 0)
		return error_errno(err, "cannot fork");
	if (pid == 0)
		answer_day(theirs, name, self);
	close_fd(&theirs);
	ssize_t n = fs_read_full(ours, day, sizeof(*day));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return n == (ssize_t)sizeof(*day)
		       ? 0
		       : error_set(err, EIO, "cannot look up the password entry of '%.64s'", name);
}
