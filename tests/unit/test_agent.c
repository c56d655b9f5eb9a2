/*
 * test_agent.c - shell/agent.c between clients and an agent that are this process, too: what is copied, what ends it, and how
 * many there may be. Whose sockets it connects to is in test_agent_find.c. As root.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent_rig.h"
#include "core/cleanup.h"

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
	close_fd(&agent_listener);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_both_ways, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_ends_are_passed_on, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_agent_leaves, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_client_leaves, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_only_one_way_left, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_every_byte, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_stalled, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_further_ones_wait, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_no_agent_any_more, rig_set_up, rig_tear_down),
		cmocka_unit_test_setup_teardown(test_no_descriptors, rig_set_up, rig_tear_down),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
