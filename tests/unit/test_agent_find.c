/*
 * test_agent_find.c - shell/agent.c: which sockets it takes for an agent, and whose listener it talks to. As root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "core/cleanup.h"

static void test_what_is_an_agent(void **state)
{
	struct agent other;
	char path[200], longer[300];

	assert_false(agent_find(&other, NULL));
	assert_false(agent_find(&other, ""));
	assert_false(agent_find(&other, dir));
	snprintf(path, sizeof(path), "%s/none", dir);
	assert_false(agent_find(&other, path));
	assert_int_equal(symlink(outside, path), 0);
	assert_false(agent_find(&other, path));
	unlink(path);
	assert_int_equal(mknod(path, S_IFREG | 0600, 0), 0);
	assert_false(agent_find(&other, path));
	unlink(path);
	memset(longer, 'x', sizeof(longer));
	longer[0] = '/';
	longer[sizeof(longer) - 1] = '\0';
	assert_false(agent_find(&other, longer));
	assert_int_equal(chdir(dir), 0);
	assert_false(agent_find(&other, "outside"));
	assert_true(agent_find(&other, outside));
	assert_int_equal(chown(outside, 12345, 0), 0);
	assert_false(agent_find(&other, outside));
	assert_int_equal(chdir("/"), 0);
}

/* A process of the same user that listens at `path`, until it is killed. */
static pid_t listener_in_child(const char *path)
{
	int ready[2];
	char byte;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		listen_at(path);
		_exit(write(ready[1], "", 1) == 1 && pause());
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* A socket of the user's, by its owner, but another program's: their session bus, for example. */
static void test_sockets_of_others(void **state)
{
	char bus[96];

	snprintf(bus, sizeof(bus), "%s/bus", dir);
	pid_t pid = listener_in_child(bus);
	close_fd(&agent.listener);
	unlink(inside);
	assert_true(agent_find(&agent, bus));
	agent_listen(&agent, listen_at(inside));
	_cleanup_close_ int a = client();
	run();
	assert_string_equal(hear(a), "");

	/* A link put in the place of the right one after it was looked at. */
	close_fd(&agent.listener);
	unlink(inside);
	assert_true(agent_find(&agent, outside));
	agent_listen(&agent, listen_at(inside));
	_cleanup_close_ int b = client(), agent_b = served();
	say(b, "right");
	assert_string_equal(hear(agent_b), "right");
	unlink(outside);
	assert_int_equal(symlink(bus, outside), 0);
	_cleanup_close_ int c = client();
	run();
	assert_string_equal(hear(c), "");
	assert_int_equal(agent.count, 1);
	end(pid);
	unlink(bus);
}

/* sshd is not always the parent itself: what listens is an ancestor. */
static void test_agent_of_an_ancestor(void **state)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		pid_t grandchild = fork();
		if (grandchild != 0)
			_exit(grandchild < 0 || waitpid(grandchild, &status, 0) < 0 || status != 0);
		(void)client();
		run();
		_exit(agent.count != 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_is_an_agent, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_sockets_of_others, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_agent_of_an_ancestor, rig_set_up, rig_tear_down),
	};

	return cmocka_run_group_tests_name("agent_find", tests, NULL, NULL);
}
