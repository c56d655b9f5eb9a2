/*
 * test_agent.c - shell/agent.c between clients and an agent that are this process, too: what is copied, what ends it, how many
 * there may be, and whose socket it is connected to. As root.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "shell/agent.h"

static struct agent agent;
static char dir[64], inside[96], outside[96];
static int outside_listener = -EBADF;

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	return at;
}

static int listen_at(const char *path)
{
	const struct sockaddr_un at = address(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	return fd;
}

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/test_agent.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(inside, sizeof(inside), "%s/inside", dir);
	snprintf(outside, sizeof(outside), "%s/outside", dir);
	outside_listener = listen_at(outside);
	assert_true(agent_find(&agent, outside));
	agent_listen(&agent, listen_at(inside));
	return 0;
}

static int tear_down(void **state)
{
	agent_clear(&agent);
	close_fd(&outside_listener);
	unlink(inside);
	unlink(outside);
	return rmdir(dir);
}

/* The relay's loop, until there is nothing to do. */
static void run(void)
{
	struct pollfd p[AGENT_POLLFDS];

	for (int turns = 0; poll(p, agent_watch(&agent, p), 0) > 0; turns++) {
		assert_true(turns < 10000); /* a busy loop */
		agent_move(&agent, p);
	}
}

static int client(void)
{
	const struct sockaddr_un at = address(inside);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* The agent's end of the connection that was relayed; -1 when there is none. */
static int served(void)
{
	run();
	return accept4(outside_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	run();
}

/* What has arrived; "" for the end, "-" for nothing yet. */
static const char *hear(int fd)
{
	static char text[256];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (n < 0)
		return errno == EAGAIN ? "-" : "error";
	text[n] = '\0';
	return text;
}

static void test_both_ways(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();
	_cleanup_close_ int b = client(), agent_b = served();

	say(a, "question a");
	say(b, "question b");
	assert_string_equal(hear(agent_b), "question b");
	say(agent_b, "answer b");
	assert_string_equal(hear(b), "answer b");
	assert_string_equal(hear(a), "-");
	assert_string_equal(hear(agent_a), "question a");
	say(agent_a, "answer a");
	assert_string_equal(hear(a), "answer a");
}

static void test_ends_are_passed_on(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();

	say(a, "question");
	assert_int_equal(shutdown(a, SHUT_WR), 0);
	run();
	assert_string_equal(hear(agent_a), "question");
	assert_string_equal(hear(agent_a), "");
	assert_string_equal(hear(a), "-"); /* the other direction goes on */
	say(agent_a, "answer");
	close_fd(&agent_a);
	run();
	assert_string_equal(hear(a), "answer");
	assert_string_equal(hear(a), "");
	assert_int_equal(agent.count, 0);
}

/* An answer that came before the agent left is delivered, though writing to the agent fails. */
static void test_agent_leaves(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();

	assert_int_equal(send(agent_a, "answer", 6, 0), 6);
	close_fd(&agent_a);
	assert_int_equal(send(a, "question", 8, 0), 8);
	run();
	assert_string_equal(hear(a), "answer");
	assert_string_equal(hear(a), "");
	assert_int_equal(send(a, "more", 4, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	run();
	assert_int_equal(agent.count, 0);
}

static void test_client_leaves(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();

	say(a, "question");
	close_fd(&a);
	run();
	assert_string_equal(hear(agent_a), "question");
	assert_string_equal(hear(agent_a), "");
	assert_int_equal(send(agent_a, "answer", 6, MSG_NOSIGNAL), 6);
	run();
	assert_int_equal(send(agent_a, "answer", 6, MSG_NOSIGNAL), -1);
	close_fd(&agent_a);
	run();
	assert_int_equal(agent.count, 0);
}

/* Who does not read any more is not written to; what they say themselves still arrives. */
static void test_only_one_way_left(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();

	assert_int_equal(shutdown(a, SHUT_RD), 0);
	say(agent_a, "answer");
	assert_int_equal(send(agent_a, "answer", 6, MSG_NOSIGNAL), -1);
	assert_int_equal(errno, EPIPE);
	say(a, "question");
	assert_string_equal(hear(agent_a), "question");
	assert_int_equal(agent.count, 1);
}

static unsigned char pattern(size_t at, unsigned seed)
{
	return (unsigned char)((at * 2654435761u + seed) >> 13);
}

/* Write a piece of random size of the pattern, as far as it is taken. */
static void feed(int fd, size_t *sent, size_t total, unsigned seed)
{
	unsigned char data[5000];
	size_t n = 1 + (size_t)rand() % sizeof(data);

	if (n > total - *sent)
		n = total - *sent;
	for (size_t i = 0; i < n; i++)
		data[i] = pattern(*sent + i, seed);
	ssize_t taken = n ? send(fd, data, n, MSG_NOSIGNAL) : 0;
	*sent += taken > 0 ? (size_t)taken : 0;
}

static void take(int fd, size_t *got, unsigned seed)
{
	unsigned char data[5000];
	ssize_t n = recv(fd, data, 1 + (size_t)rand() % sizeof(data), 0);

	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(data[i], pattern((*got)++, seed));
}

static void test_every_byte(void **state)
{
	const size_t total = 1024 * 1024;
	size_t sent[2] = { 0, 0 }, got[2] = { 0, 0 };
	_cleanup_close_ int a = client(), agent_a = served();

	srand(1);
	while (got[0] < total || got[1] < total) {
		feed(a, &sent[0], total, 1);
		feed(agent_a, &sent[1], total, 2);
		run();
		take(agent_a, &got[0], 1);
		take(a, &got[1], 2);
	}
}

/* Neither a client nor the agent, whichever does not read, holds up another connection; and what is kept is bounded. */
static void test_stalled(void **state)
{
	_cleanup_close_ int a = client(), agent_a = served();
	_cleanup_close_ int b = client(), agent_b = served();
	size_t sent[2] = { 0, 0 };

	for (int i = 0; i < 2000; i++) {
		feed(a, &sent[0], SIZE_MAX, 1);
		feed(agent_a, &sent[1], SIZE_MAX, 1);
		run();
	}
	assert_in_range(sent[0], AGENT_BUFFER, 1024 * 1024);
	assert_in_range(sent[1], AGENT_BUFFER, 1024 * 1024);
	say(b, "question");
	assert_string_equal(hear(agent_b), "question");
	say(agent_b, "answer");
	assert_string_equal(hear(b), "answer");

	size_t got = 0;
	shutdown(a, SHUT_WR);
	for (size_t before = 1; before != got;) { /* then all of it arrives */
		before = got;
		run();
		take(agent_a, &got, 1);
	}
	assert_int_equal(got, sent[0]);
	assert_string_equal(hear(agent_a), "");
}

static void test_further_ones_wait(void **state)
{
	int clients[AGENT_CONNECTIONS + 2], agents[AGENT_CONNECTIONS];

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		clients[i] = client();
	for (size_t i = 0; i < ARRAY_SIZE(agents); i++) {
		agents[i] = served();
		assert_true(agents[i] >= 0);
	}
	assert_int_equal(served(), -1);
	say(clients[AGENT_CONNECTIONS], "patient");
	say(clients[3], "served");
	assert_string_equal(hear(agents[3]), "served");
	close_fd(&clients[7]);
	close_fd(&agents[7]);
	agents[7] = served();
	assert_true(agents[7] >= 0);
	assert_string_equal(hear(agents[7]), "patient");
	for (size_t i = 0; i < AGENT_CONNECTIONS; i++) { /* nobody was mixed up when the gap was filled */
		if (i != 7)
			say(clients[i], "x");
		assert_string_equal(hear(agents[i]), i == 7 ? "-" : "x");
	}
	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		close_fd(&clients[i]);
	for (size_t i = 0; i < ARRAY_SIZE(agents); i++)
		close_fd(&agents[i]);
	run();
	agents[0] = served(); /* the one that was still waiting */
	close_fd(&agents[0]);
	run();
	assert_int_equal(agent.count, 0);
}

static void test_no_agent_any_more(void **state)
{
	close_fd(&outside_listener);
	_cleanup_close_ int a = client();
	run();
	assert_string_equal(hear(a), "");
	assert_int_equal(agent.count, 0);
}

/* Out of descriptors: the listener is given up, since it would be ready for ever. */
static void test_no_descriptors(void **state)
{
	struct rlimit limit, none;
	_cleanup_close_ int a = client(), agent_a = served();

	(void)client();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ 0, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct pollfd p[AGENT_POLLFDS];
	nfds_t n = agent_watch(&agent, p);
	p[0].revents = POLLIN;
	for (nfds_t i = 1; i < n; i++)
		p[i].revents = 0;
	agent_move(&agent, p);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_true(agent.listener < 0);
	say(a, "goes on");
	assert_string_equal(hear(agent_a), "goes on");
}

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
		cmocka_unit_test_setup_teardown(test_both_ways, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_ends_are_passed_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_agent_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_client_leaves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_one_way_left, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_every_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stalled, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_further_ones_wait, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_agent_any_more, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_no_descriptors, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_what_is_an_agent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_sockets_of_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_agent_of_an_ancestor, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
