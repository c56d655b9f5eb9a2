/* test_state_uid.c - core/state_uid.c: the state of a uid and its lock, while somebody removes it. As root. */
#include "own_tmpfs.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/paths.h"
#include "core/state.h"

#define UID   7
#define STATE CARREL_USERS "/7"
#define ASIDE CARREL_USERS "/7.old.1700000000"

static int set_up(void **state)
{
	return own_tmpfs("/var/lib") < 0 || mkdir(CARREL_STATE_DIR, 0700) < 0 ? -1 : 0;
}

static void test_none(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(state_open(UID), -ENOENT);
	assert_int_equal(state_lock_uid(UID, 100, &err), -ENOENT);
	assert_int_equal(mkdir(CARREL_USERS, 0700), 0);
	assert_int_equal(state_lock_uid(UID, 100, &err), -ENOENT);
	assert_int_equal(err.code, ENOENT);
	/* Never by way of a link. */
	assert_int_equal(symlink("/", STATE), 0);
	assert_true(state_open(UID) < 0);
	assert_true(state_lock_uid(UID, 100, &err) < 0);
	assert_int_equal(unlink(STATE), 0);
}

static void test_locked(void **state)
{
	struct carrel_error err = { 0 };
	struct stat st;

	assert_int_equal(mkdir(STATE, 0700), 0);
	_cleanup_close_ int lock = state_lock_uid(UID, 100, &err), other = state_open(UID);
	assert_int_equal(fstat(lock, &st), 0);
	assert_int_equal(st.st_ino, stat_of(STATE).st_ino);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(state_lock_uid(UID, 1, &err), -ETIMEDOUT);
	close_fd(&lock);
	assert_int_equal(flock(other, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(rmdir(STATE), 0);
}

/* In a process of its own. What it got is written to `out`: the inode, or 0 when there is none. */
static pid_t start_waiter(int out)
{
	struct carrel_error err = { 0 };
	struct stat st = { 0 };
	pid_t pid = fork();

	if (pid != 0)
		return pid;
	int lock = state_lock_uid(UID, 60000, &err);
	if (lock >= 0 ? fstat(lock, &st) < 0 : lock != -ENOENT)
		_exit(1);
	_exit(write(out, &st.st_ino, sizeof(st.st_ino)) == sizeof(st.st_ino) ? 0 : 1);
}

/* Whether the process has opened the state directory: it waits for the lock, or is about to. `mine` it has inherited. */
static bool has_opened(pid_t pid, int mine)
{
	char path[64], to[256];
	struct dirent *entry;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	_cleanup_dir_ DIR *dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, to, sizeof(to) - 1);
		to[n > 0 ? n : 0] = '\0';
		if (strcmp(to, STATE) == 0 && strtol(entry->d_name, NULL, 10) != mine)
			return true;
	}
	return false;
}

/* Whoever waits for the lock gets that of what has the name when it is free. */
static void move_away(bool made_anew)
{
	int ends[2], status, lock = open(STATE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ino_t got = 1;

	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = start_waiter(ends[1]);
	assert_true(pid > 0);
	while (!has_opened(pid, lock)) {
		assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
		poll(NULL, 0, 1);
	}
	assert_int_equal(rename(STATE, ASIDE), 0);
	if (made_anew)
		assert_int_equal(mkdir(STATE, 0700), 0);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(read(ends[0], &got, sizeof(got)), sizeof(got));
	assert_int_equal(got, made_anew ? stat_of(STATE).st_ino : 0);
	assert_int_equal(rmdir(ASIDE), 0);
	close(ends[0]);
	close(ends[1]);
	close(lock);
}

static void test_kept_aside_meanwhile(void **state)
{
	assert_int_equal(mkdir(STATE, 0700), 0);
	move_away(true);
	move_away(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_locked),
		cmocka_unit_test(test_kept_aside_meanwhile),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
