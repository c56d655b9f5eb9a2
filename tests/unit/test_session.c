/* test_session.c - core/session.c and session_id.c on a /run/carrel of the test's own. As root. */
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "core/fs.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/text.h"
#include "core/wire.h"
#include "own_tmpfs.h"

#define ID "2001-0123abcd"

static int set_up(void **state)
{
	return own_tmpfs("/run") < 0 || mkdir(CARREL_RUN_DIR, 0711) < 0 ? -1 : 0;
}

static int with_sessions(void **state)
{
	return mkdir(CARREL_SESSIONS, 0711);
}

static int without_sessions(void **state)
{
	_cleanup_close_ int run = open(CARREL_RUN_DIR, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fs_remove_tree(run, "sessions");
}

static int make_record(const char *id)
{
	char path[128];

	assert_int_equal(text_format(path, sizeof(path), CARREL_SESSIONS "/%s", id), 0);
	assert_int_equal(mkdir(path, 0711), 0);
	assert_int_equal(text_format(path, sizeof(path), CARREL_SESSIONS "/%s/record", id), 0);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static struct session_record sample(void)
{
	return (struct session_record){ .id = ID,
					.uid = 2001,
					.user = "u1",
					.image = "alpine",
					.service = "sshd",
					.rhost = "192.0.2.7",
					.tty = "ssh",
					.cgroup = "carrel/2001/" ID,
					.started = 1700000000,
					.keeper = 4711,
					.init = 4712 };
}

static void test_id(void **state)
{
	static const char *const good[] = { ID, "0-00000000", "4294967294-ffffffff" };
	static const char *const bad[] = { "",
					   "-",
					   "2001",
					   "2001-",
					   "2001-0123abc",
					   "2001-0123abcde",
					   "2001-0123ABCD",
					   "2001-0123abcg",
					   "02001-0123abcd",
					   "4294967295-0123abcd",
					   "99999999999999999999-0123abcd",
					   "-1-0123abcd",
					   "+1-0123abcd",
					   " 1-0123abcd",
					   "2001-0123abcd\n",
					   "../2001-0123abcd",
					   "2001-0123abc/",
					   "2001-../../.." };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(session_id_valid(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(session_id_valid(bad[i]));
	assert_int_equal(session_id_uid(ID), 2001);
	assert_int_equal(session_id_uid("0-00000000"), 0);
	assert_true(session_id_uid("4294967294-ffffffff") == 4294967294U);
}

static void test_write_and_read(void **state)
{
	struct session_record out = sample(), in;
	struct carrel_error err = { 0 };
	_cleanup_close_ int fd = make_record(ID);
	struct stat before, after;

	assert_int_equal(fstat(fd, &before), 0);
	assert_int_equal(session_read(ID, &in, &err), -EIO); /* there, and not yet filled in */
	assert_int_equal(session_write(fd, &out, &err), 0);
	assert_int_equal(session_read(ID, &in, &err), 0);
	assert_memory_equal(&in, &out, sizeof(in));

	/* Rewritten shorter: nothing of the longer one remains, and the inode is the same. */
	out.rhost[0] = '\0';
	assert_int_equal(session_write(fd, &out, &err), 0);
	assert_int_equal(session_read(ID, &in, &err), 0);
	assert_string_equal(in.rhost, "");
	assert_int_equal(stat(CARREL_SESSIONS "/" ID "/record", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);

	assert_int_equal(session_read("2001-00000000", &in, &err), -ENOENT);
	assert_int_equal(session_read("../etc", &in, &err), -EINVAL);
	out.uid = 2002;
	assert_int_equal(session_write(fd, &out, &err), -EINVAL);
}

static void test_hostile_values(void **state)
{
	struct session_record out = sample(), in;
	struct carrel_error err = { 0 };
	_cleanup_close_ int fd = make_record(ID);

	snprintf(out.rhost, sizeof(out.rhost), "evil\nuid=0\x1b[2J");
	snprintf(out.tty, sizeof(out.tty), "a=b=c");
	memset(out.service, '\n', sizeof(out.service) - 1); /* escaped, four times its field */
	assert_int_equal(session_write(fd, &out, &err), 0);
	assert_int_equal(session_read(ID, &in, &err), 0);
	assert_int_equal(in.uid, 2001);
	assert_string_equal(in.rhost, "evil\\x0auid=0\\x1b[2J");
	assert_string_equal(in.tty, "a=b=c");
	assert_int_equal(strncmp(in.service, "\\x0a\\x0a", 8), 0);
	assert_non_null(strstr(in.service, "..."));
}

static void expect_damaged(int fd, const char *text, size_t size)
{
	struct session_record record;
	struct carrel_error err = { 0 };

	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, size, 0), (ssize_t)size);
	assert_int_equal(session_read(ID, &record, &err), -EIO);
	assert_non_null(strstr(err.msg, "damaged"));
}

static void test_damaged(void **state)
{
	static const char rest[] =
		"user=u1\nimage=a\nservice=s\nrhost=\ntty=\ncgroup=c\nstarted=1\nkeeper=2\n";
	static const struct {
		const char *head, *tail;
	} cases[] = {
		{ "id=" ID "\nuid=2001\n", "" },		   /* a field is missing */
		{ "id=" ID "\nuid=2001\n", "init=3" },		   /* cut off */
		{ "id=" ID "\nuid=2001\n", "init=3\ninit=3\n" },   /* twice */
		{ "id=" ID "\nuid=2001\n", "init=3\nmore=1\n" },   /* unknown */
		{ "id=" ID "\nuid=2001\n", "init=3\n\n" },	   /* an empty line */
		{ "id=" ID "\nuid=2001\n", "init=-3\n" },	   /* not a number */
		{ "id=" ID "\nuid=2001\n", "init=\n" },		   /* neither */
		{ "id=" ID "\nuid=2001\n", "init=99999999999\n" }, /* too large */
		{ "id=" ID "\nuid=02001\n", "init=3\n" },	   /* two ways to write it */
		{ "id=" ID "\nuid=2002\n", "init=3\n" },	   /* not the ID's uid */
		{ "id=2001-00000000\nuid=2001\n", "init=3\n" },	   /* not this ID */
		{ "id=" ID "\nuid=2001\n", "init=3\n\x1b[0m\n" },  /* control characters */
	};
	_cleanup_close_ int fd = make_record(ID);
	char text[1024];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(
			text_format(text, sizeof(text), "%s%s%s", cases[i].head, rest, cases[i].tail), 0);
		expect_damaged(fd, text, strlen(text));
	}
	/* The same text is good with its last line, so what was refused above was refused for its reason. */
	struct session_record record;
	assert_int_equal(text_format(text, sizeof(text), "id=" ID "\nuid=2001\n%sinit=3\n", rest), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, strlen(text), 0), (ssize_t)strlen(text));
	assert_int_equal(session_read(ID, &record, NULL), 0);

	char nul[] = "id=" ID "\0uid=2001\n";
	expect_damaged(fd, nul, sizeof(nul) - 1);
	static const char large[8192] = { [0 ... 8190] = 'x' };
	assert_int_equal(pwrite(fd, large, sizeof(large), 0), (ssize_t)sizeof(large));
	assert_int_equal(session_read(ID, &record, NULL), -EIO);
}

static void test_alive(void **state)
{
	struct carrel_error err = { 0 };
	_cleanup_close_ int fd = make_record(ID);
	_cleanup_close_ int asker = open(CARREL_SESSIONS "/" ID "/record", O_RDONLY | O_CLOEXEC);

	assert_int_equal(session_alive(ID, &err), 0);
	assert_int_equal(session_alive("2001-00000000", &err), 0);
	assert_int_equal(session_alive("..", &err), -EINVAL);
	assert_int_equal(flock(asker, LOCK_SH), 0); /* somebody else who is asking is no keeper */
	assert_int_equal(session_alive(ID, &err), 0);
	assert_int_equal(flock(asker, LOCK_UN), 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(session_alive(ID, &err), 1);
	assert_int_equal(session_count_live(session_id_uid(ID), &err), 1);
	assert_int_equal(session_count_live(session_id_uid(ID) + 1, &err), 0);
	close_fd(&fd);
	assert_int_equal(session_alive(ID, &err), 0);
	assert_int_equal(session_count_live(session_id_uid(ID), &err), 0);
}

static void test_list(void **state)
{
	static const char *const made[] = { "2001-ffffffff", "10000-00000000", "999-00000001",
					    "2001-00000000", "not-an-id",      ".hidden",
					    "2001-FFFFFFFF" };
	static const char *const sorted[] = { "999-00000001", "2001-00000000", "2001-ffffffff",
					      "10000-00000000" };
	struct carrel_error err = { 0 };
	char **ids;

	for (size_t i = 0; i < ARRAY_SIZE(made); i++) {
		char path[128];
		assert_int_equal(text_format(path, sizeof(path), CARREL_SESSIONS "/%s", made[i]), 0);
		assert_int_equal(mkdir(path, 0711), 0);
	}
	assert_int_equal(session_list((uid_t)-1, &ids, &err), (int)ARRAY_SIZE(sorted));
	for (size_t i = 0; i < ARRAY_SIZE(sorted); i++)
		assert_string_equal(ids[i], sorted[i]);
	assert_null(ids[ARRAY_SIZE(sorted)]);
	free(ids);
	assert_int_equal(session_list(2001, &ids, &err), 2);
	assert_string_equal(ids[1], "2001-ffffffff");
	free(ids);
	assert_int_equal(session_list(5, &ids, &err), 0);
	assert_null(ids[0]);
	free(ids);
}

static void test_list_without_directory(void **state)
{
	char **ids;

	assert_int_equal(session_list((uid_t)-1, &ids, NULL), 0);
	assert_null(ids[0]);
	free(ids);
}

enum behaviour { CLEANS_UP, DIES, ANSWERS_ONLY, LATE };

static int listen_control(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = CARREL_SESSIONS "/" ID "/control" };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	return fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4) < 0 ? -1 : fd;
}

/* A keeper, as far as session_end sees one. Exits 0 when it was asked with CONTROL_KILL. */
static void keep(enum behaviour how, int ready)
{
	char word[32] = "";
	int record = make_record(ID);
	int listener = how == LATE ? -1 : listen_control();

	if (flock(record, LOCK_EX) < 0 || write(ready, "", 1) != 1)
		_exit(9);
	if (how == LATE) {
		usleep(50000);
		listener = listen_control();
	}
	int peer = accept(listener, NULL, NULL);
	if (peer < 0 || recv(peer, word, sizeof(word) - 1, 0) <= 0)
		_exit(8);
	if (how == ANSWERS_ONLY) {
		if (send(peer, "busy\n", 5, 0) < 0)
			_exit(7);
		pause();
	}
	if (how != DIES && without_sessions(NULL) < 0)
		_exit(6);
	_exit(strcmp(word, CONTROL_KILL) == 0 ? 0 : 5);
}

static pid_t start_keeper(enum behaviour how)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		keep(how, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void test_end(void **state)
{
	struct carrel_error err = { 0 };
	int status;

	pid_t pid = start_keeper(CLEANS_UP);
	assert_int_equal(session_alive(ID, &err), 1);
	assert_int_equal(session_end(ID, CONTROL_KILL, 5000, &err), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	assert_int_equal(mkdir(CARREL_SESSIONS, 0711), 0);
}

static void test_end_late_socket(void **state)
{
	struct carrel_error err = { 0 };
	pid_t pid = start_keeper(LATE);

	assert_int_equal(session_end(ID, CONTROL_KILL, 5000, &err), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(mkdir(CARREL_SESSIONS, 0711), 0);
}

static void test_end_keeper_dies(void **state)
{
	struct carrel_error err = { 0 };
	pid_t pid = start_keeper(DIES);

	assert_int_equal(session_end(ID, CONTROL_KILL, 5000, &err), -EIO);
	assert_non_null(strstr(err.msg, "before it had cleaned up"));
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* And what it left is a stale session, which has nobody to ask. */
	assert_int_equal(session_end(ID, CONTROL_KILL, 5000, &err), -ENOENT);
}

static void test_end_times_out(void **state)
{
	struct carrel_error err = { 0 };
	pid_t pid = start_keeper(ANSWERS_ONLY);

	assert_int_equal(session_end(ID, CONTROL_KILL, 100, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.msg, "busy\\x0a"));
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_end_nobody(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(session_end(ID, CONTROL_KILL, 1000, &err), -ENOENT);
	assert_int_equal(session_end("../x", CONTROL_KILL, 1000, &err), -EINVAL);
}

#define IN_SESSIONS(test) cmocka_unit_test_setup_teardown(test, with_sessions, without_sessions)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_list_without_directory),
		IN_SESSIONS(test_write_and_read),
		IN_SESSIONS(test_hostile_values),
		IN_SESSIONS(test_damaged),
		IN_SESSIONS(test_alive),
		IN_SESSIONS(test_list),
		IN_SESSIONS(test_end),
		IN_SESSIONS(test_end_late_socket),
		IN_SESSIONS(test_end_keeper_dies),
		IN_SESSIONS(test_end_times_out),
		IN_SESSIONS(test_end_nobody),
	};
	return cmocka_run_group_tests_name("session", tests, set_up, NULL);
}
