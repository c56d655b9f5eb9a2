/*
 * test_relay.c - shell/relay.c over pipes: every byte, in order, whatever the pace; what ends it, and what is still
 * delivered then. Terminals are in test_relay_terminal.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "relay_rig.h"

static void make_pipe(int ends[2])
{
	assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
}

/* `from` and `to` of the relay are pipes, whose other ends are the flow's. */
static void add_pipes(struct flow *flow, bool inward)
{
	int a[2], b[2];

	make_pipe(a);
	make_pipe(b);
	relay_add(&relay, a[0], b[1], inward);
	*flow = (struct flow){ .in = a[1], .out = b[0], .seed = (unsigned)rand() };
}

static void test_exact_both_ways(void **state)
{
	const size_t total = 6 * 1024 * 1024;
	struct flow flow[2];

	add_pipes(&flow[0], true);
	add_pipes(&flow[1], false);
	pid_t pid = start();
	while (flow[0].got < total || flow[1].got < total) {
		struct flow *f = &flow[rand() % 2];
		if (rand() % 2)
			feed(f, total);
		else
			assert_true(take(f));
	}
	say(WIRE_EXITED, 42);
	assert_int_equal(result(pid), 42);
	for (size_t i = 0; i < 2; i++) {
		close(flow[i].in);
		close(flow[i].out);
	}
}

/* What a command wrote last is there after its end, though its pipe stays open and the reader is slow. */
static void test_drain(void **state)
{
	const size_t total = 20000;
	struct flow out;

	add_pipes(&out, false);
	assert_int_equal(fcntl(out.out, F_SETPIPE_SZ, 4096), 4096);
	while (out.sent < total)
		feed(&out, total);
	say(WIRE_SIGNALED, 9);
	pid_t pid = start();
	while (out.got < total) {
		wait_for(out.out, POLLIN, 1000);
		assert_true(take(&out));
		if (out.got % 7 == 0)
			usleep(1000);
	}
	assert_int_equal(result(pid), 9);
	assert_int_equal(read(out.out, &(char){ 0 }, 1), 0);
	close(out.in);
	close(out.out);
}

/* A process that was left behind and never stops writing does not keep us. */
static void test_drain_is_bounded(void **state)
{
	struct flow out;
	int status;

	add_pipes(&out, false);
	pid_t pid = start();
	say(WIRE_EXITED, 1);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		feed(&out, SIZE_MAX);
		(void)!read(out.out, (char[4096]){ 0 }, 4096);
	}
	assert_int_equal(WEXITSTATUS(status), 1);
	close(out.in);
	close(out.out);
}

/* ^D on a host's terminal that stands behind a pipe: the end follows the last byte, and the command goes on. */
static void test_end_of_input(void **state)
{
	struct flow in;

	add_pipes(&in, true);
	pid_t pid = start();
	while (in.sent < 5000)
		feed(&in, 5000);
	close(in.in);
	do
		assert_true(wait_for(in.out, POLLIN, 5000));
	while (take(&in));
	assert_int_equal(in.got, 5000);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	close(in.out);
}

/* A reader that is gone ends its stream: the command's next write fails, as it would without us. */
static void test_reader_gone(void **state)
{
	struct flow out;

	add_pipes(&out, false);
	pid_t pid = start();
	close(out.out);
	for (int i = 0; i < 500 && !wait_for(out.in, POLLERR, 0); i++) {
		feed(&out, SIZE_MAX);
		usleep(10000);
	}
	assert_int_equal(write(out.in, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
	say(WIRE_EXITED, 3);
	assert_int_equal(result(pid), 3);
	close(out.in);
}

static void test_init_gone(void **state)
{
	struct wire_message last;

	close_fd(&init_end);
	assert_int_equal(relay_run(&relay, &last), -ECONNRESET);
}

static void test_nonsense(void **state)
{
	struct wire_message last;

	say(99, 0);
	assert_int_equal(relay_run(&relay, &last), -EPROTO);
	assert_int_equal(write(init_end, "half a message", 14), 14);
	close_fd(&init_end);
	assert_int_equal(relay_run(&relay, &last), -EPROTO);
}

/* Each signal that waits for us reaches init, the deadly ones too: they are for the command. */
static void test_signals_forwarded(void **state)
{
	const int signals[] = { SIGHUP, SIGINT, SIGTERM, SIGUSR1 };

	take_signals(signals, ARRAY_SIZE(signals));
	pid_t pid = start();
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct wire_message message;
		kill(pid, signals[i]);
		assert_int_equal(wire_receive(init_end, &message, sizeof(message), NULL, NULL), 0);
		assert_int_equal(message.kind, WIRE_SIGNAL);
		assert_int_equal(message.value, signals[i]);
	}
	say(WIRE_SIGNALED, SIGINT);
	assert_int_equal(result(pid), SIGINT);
}

/* An init that reads nothing is not waited for: the relay goes on. */
static void test_signals_to_a_stalled_init(void **state)
{
	struct flow out;

	add_pipes(&out, false);
	take_signals(&(int){ SIGUSR1 }, 1);
	pid_t pid = start();
	for (int i = 0; i < 20000; i++)
		kill(pid, SIGUSR1);
	while (out.sent < 1000)
		feed(&out, 1000);
	while (out.got < 1000) {
		assert_true(wait_for(out.out, POLLIN, 5000));
		assert_true(take(&out));
	}
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	close(out.in);
	close(out.out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_exact_both_ways),
		T(test_drain),
		T(test_drain_is_bounded),
		T(test_end_of_input),
		T(test_reader_gone),
		T(test_init_gone),
		T(test_nonsense),
		T(test_signals_forwarded),
		T(test_signals_to_a_stalled_init),
	};

	srand(20240917); /* the same pieces every time */
	signal(SIGPIPE, SIG_IGN);
	alarm(120); /* nothing here may hang */
	return cmocka_run_group_tests_name("relay", tests, NULL, NULL);
}
