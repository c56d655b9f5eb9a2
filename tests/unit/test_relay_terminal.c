/*
 * test_relay_terminal.c - shell/relay.c between two ptys, as in a terminal session: exact, with back-pressure and bounded
 * memory; window size, hangup and signals.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "relay_rig.h"

/* A pty that is raw on its slave's side; the master does not block. */
static void make_pty(int *master, int *slave)
{
	struct termios raw;

	assert_int_equal(openpty(master, slave, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(*slave, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(*slave, TCSANOW, &raw), 0);
	assert_int_equal(fcntl(*master, F_SETFL, O_RDWR | O_NONBLOCK), 0);
}

/* Two ptys and the relay between them, as in a terminal session. The slave outside is the relay's, so is the master inside. */
struct session {
	int client; /* master of the outer one: sshd's place */
	int shell;  /* slave of the inner one: the command's place */
	int outer, master;
};

static void make_session(struct session *s)
{
	make_pty(&s->client, &s->outer);
	make_pty(&s->master, &s->shell);
	assert_int_equal(fcntl(s->outer, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	relay.terminal = s->outer;
	relay.master = s->master;
	relay_add(&relay, dup(s->outer), dup(s->master), true);
	relay_add(&relay, dup(s->master), dup(s->outer), false);
}

/* As sshd and init do: the ends that carrel-shell has are its alone. */
static pid_t start_session(struct session *s)
{
	pid_t pid = start();

	close_fd(&s->outer);
	close_fd(&s->master);
	return pid;
}

static void end_session(struct session *s)
{
	close_fd(&s->client);
	close_fd(&s->shell);
	close_fd(&s->outer);
	close_fd(&s->master);
}

static void test_terminal_exact(void **state)
{
	const size_t total = 2 * 1024 * 1024;
	struct session s;

	make_session(&s);
	pid_t pid = start_session(&s);
	assert_int_equal(fcntl(s.shell, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	struct flow out = { .in = s.shell, .out = s.client, .seed = 1 };
	struct flow in = { .in = s.client, .out = s.shell, .seed = 2 };
	while (out.got < total || in.got < total) {
		struct flow *f = rand() % 2 ? &out : &in;
		feed(f, total);
		assert_true(take(f));
	}
	say(WIRE_EXITED, 7);
	assert_int_equal(result(pid), 7);
	end_session(&s);
}

/* A client that reads nothing: the writer is made to wait, what is typed still arrives, and nothing is lost. */
static void test_stalled_reader(void **state)
{
	struct session s;
	char c = 0;

	make_session(&s);
	pid_t pid = start_session(&s);
	assert_int_equal(fcntl(s.shell, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	struct flow out = { .in = s.shell, .out = s.client, .seed = 3 };
	while (wait_for(s.shell, POLLOUT, 300))
		feed(&out, SIZE_MAX);
	/* Two ptys and one buffer, whatever the kernel gives a pty: far from unbounded. */
	assert_true(out.sent >= RELAY_BUFFER);
	assert_true(out.sent <= RELAY_BUFFER + 2 * 700 * 1024);
	size_t stalled_at = out.sent;

	assert_int_equal(write(s.client, "\x03", 1), 1);
	assert_true(wait_for(s.shell, POLLIN, 5000));
	assert_int_equal(read(s.shell, &c, 1), 1);
	assert_int_equal(c, 3);

	while (out.got < stalled_at)
		assert_true(take(&out));
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	assert_int_equal(out.got, stalled_at);
	end_session(&s);
}

/* What a command wrote last is there after its end: the kernel reports that as EIO, but only after the last byte. */
static void test_drain_terminal(void **state)
{
	struct session s;

	make_session(&s);
	struct flow out = { .in = s.shell, .out = s.client, .seed = 4 };
	while (out.sent < 3000)
		feed(&out, 3000);
	close_fd(&s.shell);
	say(WIRE_EXITED, 5);
	pid_t pid = start_session(&s);
	assert_int_equal(result(pid), 5);
	while (wait_for(s.client, POLLIN, 0) && take(&out))
		;
	assert_int_equal(out.got, 3000);
	end_session(&s);
}

static void test_client_hangs_up(void **state)
{
	struct session s;

	make_session(&s);
	pid_t pid = start_session(&s);
	close_fd(&s.client);
	assert_int_equal(result(pid), 100 + SIGHUP);
	/* The master is closed with the relay: the kernel has hung up the command's terminal. */
	assert_int_equal(read(s.shell, &(char){ 0 }, 1), 0);
	end_session(&s);
}

static void test_terminal_signals(void **state)
{
	const struct winsize first = { .ws_row = 11, .ws_col = 22 }, second = { .ws_row = 33, .ws_col = 44 };
	const int signals[] = { SIGTERM, SIGWINCH };
	struct winsize now = { 0 };
	struct session s;

	make_session(&s);
	assert_int_equal(ioctl(s.client, TIOCSWINSZ, &first), 0);
	take_signals(signals, ARRAY_SIZE(signals));
	pid_t pid = start_session(&s);
	for (int i = 0; i < 500 && now.ws_row != 11; i++, usleep(10000))
		ioctl(s.shell, TIOCGWINSZ, &now);
	assert_int_equal(now.ws_col, 22); /* the size at the start */
	assert_int_equal(ioctl(s.client, TIOCSWINSZ, &second), 0);
	kill(pid, SIGWINCH);
	for (int i = 0; i < 500 && now.ws_row != 33; i++, usleep(10000))
		ioctl(s.shell, TIOCGWINSZ, &now);
	assert_int_equal(now.ws_col, 44);
	kill(pid, SIGTERM);
	assert_int_equal(result(pid), 100 + SIGTERM);
	end_session(&s);
}

static void notice(const char *text)
{
	struct wire_message message = { .kind = WIRE_NOTICE };

	snprintf(message.text, sizeof(message.text), "%s", text);
	assert_int_equal(wire_send(init_end, &message, sizeof(message), NULL, 0), 0);
}

/* Read from the client's side until what came ends with `text`. */
static void read_until(const struct session *s, const char *text)
{
	static char data[8192];
	size_t have = 0, length = strlen(text);

	while (have < length || memcmp(data + have - length, text, length) != 0) {
		assert_true(wait_for(s->client, POLLIN, 5000));
		ssize_t n = read(s->client, data + have, sizeof(data) - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
}

/* On a line of its own, behind what was read before, and not a byte that a terminal would take for a command. */
static void test_notices(void **state)
{
	struct session s;

	make_session(&s);
	pid_t pid = start_session(&s);
	assert_int_equal(write(s.shell, "abc", 3), 3);
	read_until(&s, "abc");
	notice("two lines\n\x1b[2J\x9b");
	read_until(&s, "\r\ncarrel: two lines??[2J?\r\n");
	assert_int_equal(write(s.shell, "def", 3), 3);
	read_until(&s, "def");
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	end_session(&s);
}

/* To a client that reads nothing they are lost; what the command writes is not, and neither waits for the other. */
static void test_notices_to_a_stalled_reader(void **state)
{
	struct session s;

	make_session(&s);
	pid_t pid = start_session(&s);
	assert_int_equal(fcntl(s.shell, F_SETFL, O_RDWR | O_NONBLOCK), 0);
	struct flow out = { .in = s.shell, .out = s.client, .seed = 5 };
	while (wait_for(s.shell, POLLOUT, 300))
		feed(&out, SIZE_MAX);
	for (int i = 0; i < 2000; i++)
		notice("nobody looks");
	/* The relay has taken them all: it answers what comes after. */
	say(WIRE_ASK, 0);
	struct wire_message answer;
	assert_int_equal(wire_receive(init_end, &answer, sizeof(answer), NULL, NULL), 0);
	assert_int_equal(answer.kind, WIRE_IDLE);
	size_t stalled_at = out.sent;
	while (out.got < stalled_at)
		assert_true(take(&out));
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	end_session(&s);
}

static int idle_time(void)
{
	struct wire_message answer;

	say(WIRE_ASK, 0);
	assert_int_equal(wire_receive(init_end, &answer, sizeof(answer), NULL, NULL), 0);
	assert_int_equal(answer.kind, WIRE_IDLE);
	return answer.value;
}

/* Input counts, output counts, and what the keeper writes does not. */
static void test_idle(void **state)
{
	struct session s;
	char c;

	make_session(&s);
	pid_t pid = start_session(&s);
	usleep(800000);
	assert_true(idle_time() >= 800);
	assert_int_equal(write(s.client, "x", 1), 1);
	assert_true(wait_for(s.shell, POLLIN, 5000));
	assert_int_equal(read(s.shell, &c, 1), 1);
	assert_true(idle_time() < 800);
	usleep(800000);
	notice("x");
	read_until(&s, "carrel: x\r\n");
	assert_true(idle_time() >= 800);
	assert_int_equal(write(s.shell, "y", 1), 1);
	read_until(&s, "y");
	assert_true(idle_time() < 800);
	say(WIRE_EXITED, 0);
	assert_int_equal(result(pid), 0);
	end_session(&s);
}

#define T(f) cmocka_unit_test_setup_teardown(f, rig_set_up, rig_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_terminal_exact),
		T(test_stalled_reader),
		T(test_drain_terminal),
		T(test_client_hangs_up),
		T(test_terminal_signals),
		T(test_notices),
		T(test_notices_to_a_stalled_reader),
		T(test_idle),
	};

	srand(20240917); /* the same pieces every time */
	signal(SIGPIPE, SIG_IGN);
	alarm(120); /* nothing here may hang */
	return cmocka_run_group_tests_name("relay on terminals", tests, NULL, NULL);
}
