/* test_wire.c - core/wire.c: whole messages, descriptors, and what a broken or hostile peer can do. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/wire.h"

static int pair[2]; /* a fresh connection for each test */
static size_t open_before;

static size_t count_open(void)
{
	_cleanup_dir_ DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(dir))
		n++;
	return n;
}

static int set_up(void **state)
{
	open_before = count_open();
	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
}

static int tear_down(void **state)
{
	close_fd(&pair[0]);
	close_fd(&pair[1]);
	return count_open() == open_before ? 0 : -1; /* every test is a test for leaks */
}

/* Send `n` copies of descriptor 0 beside `size` bytes, past wire_send's own limit. */
static void send_raw(int fd, size_t size, size_t n)
{
	char data[64] = { 0 };
	_cleanup_free_ char *control = calloc(1, CMSG_SPACE(n * sizeof(int)));
	struct iovec piece = { .iov_base = data, .iov_len = size };
	struct msghdr message = { .msg_iov = &piece, .msg_iovlen = 1 };

	message.msg_control = control;
	message.msg_controllen = CMSG_SPACE(n * sizeof(int));
	struct cmsghdr *head = CMSG_FIRSTHDR(&message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(n * sizeof(int));
	memset(CMSG_DATA(head), 0, n * sizeof(int));
	assert_int_equal(sendmsg(fd, &message, 0), size);
}

static void reap(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_round_trip(void **state)
{
	struct wire_message out = { .kind = WIRE_FAILED, .value = 127, .text = "cannot run" }, in;
	int pipe_ends[2], fds[3] = { -1, -1, -1 };
	size_t count = ARRAY_SIZE(fds);
	char c = 0;

	assert_int_equal(pipe(pipe_ends), 0);
	assert_int_equal(wire_send(pair[0], &out, sizeof(out), pipe_ends, 2), 0);
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), fds, &count), 0);
	assert_memory_equal(&in, &out, sizeof(in));
	assert_int_equal(count, 2);
	assert_int_equal(fds[2], -1);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
	/* The same pipe, in the order sent. */
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(read(pipe_ends[0], &c, 1), 1);
	assert_int_equal(c, 'x');
	for (size_t i = 0; i < 2; i++) {
		close(fds[i]);
		close(pipe_ends[i]);
	}
}

static void test_messages_do_not_mix(void **state)
{
	struct wire_message in, one = { .kind = WIRE_STARTED }, two = { .kind = WIRE_EXITED, .value = 3 };
	int fd = -1;
	size_t count = 1;

	assert_int_equal(wire_send(pair[0], &one, sizeof(one), NULL, 0), 0);
	assert_int_equal(wire_send(pair[0], &two, sizeof(two), &(int){ 0 }, 1), 0);
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), &fd, &count), 0);
	assert_int_equal(in.kind, WIRE_STARTED);
	assert_int_equal(count, 0);
	count = 1;
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), &fd, &count), 0);
	assert_int_equal(in.kind, WIRE_EXITED);
	assert_int_equal(count, 1);
	close(fd);
}

static void test_short_reads(void **state)
{
	struct wire_message in;
	size_t count = 0;
	pid_t pid = fork();

	if (pid == 0) {
		const struct wire_message out = { .kind = WIRE_SIGNAL, .value = 15 };
		for (size_t i = 0; i < sizeof(out); i++) {
			if (write(pair[0], (const char *)&out + i, 1) != 1)
				_exit(1);
			if (i % 16 == 0)
				usleep(500);
		}
		_exit(0);
	}
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), NULL, &count), 0);
	assert_int_equal(in.kind, WIRE_SIGNAL);
	assert_int_equal(in.value, 15);
	reap(pid);
}

/* More than a socket holds: the sender has to wait for the receiver, again and again. */
static void test_large(void **state)
{
	const size_t size = 4 * WIRE_PAYLOAD_MAX;
	_cleanup_free_ unsigned char *out = malloc(size), *in = malloc(size);

	for (size_t i = 0; i < size; i++)
		out[i] = (unsigned char)(i * 7 + i / 251);
	pid_t pid = fork();
	if (pid == 0)
		_exit(wire_send(pair[0], out, size, &(int){ 0 }, 1) != 0);
	int fd = -1;
	size_t count = 1;
	assert_int_equal(wire_receive(pair[1], in, size, &fd, &count), 0);
	assert_int_equal(count, 1);
	assert_memory_equal(in, out, size);
	close(fd);
	reap(pid);
}

static void test_too_many_descriptors(void **state)
{
	char data[16];
	int fds[2] = { -1, -1 };

	/* Each: what is sent, how many are wanted. The last is more than the control buffer holds. */
	const size_t cases[][2] = { { 3, 2 }, { 1, 0 }, { 8, 1 }, { 9, 2 }, { 250, 2 } };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t count = cases[i][1];
		send_raw(pair[0], sizeof(data), cases[i][0]);
		assert_int_equal(wire_receive(pair[1], data, sizeof(data), fds, &count), -EPROTO);
		assert_int_equal(count, 0);
		assert_int_equal(count_open(), open_before + 2);
	}
}

/* Descriptors trickle in with later bytes: the limit is on the message, and what came before is closed too. */
static void test_descriptors_in_pieces(void **state)
{
	char data[4];
	int fds[2];
	size_t count = 2;

	send_raw(pair[0], 1, 1);
	send_raw(pair[0], 1, 1);
	send_raw(pair[0], 1, 1);
	assert_int_equal(wire_receive(pair[1], data, sizeof(data), fds, &count), -EPROTO);
	assert_int_equal(count, 0);
}

static void test_descriptors_unwanted(void **state)
{
	char c;

	send_raw(pair[0], 1, 1);
	assert_int_equal(wire_receive(pair[1], &c, 1, NULL, NULL), -EPROTO);
}

static void test_end_of_file(void **state)
{
	struct wire_message in;
	int fd;
	size_t count = 1;

	close_fd(&pair[0]);
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), &fd, &count), -ECONNRESET);
	assert_int_equal(count, 0);
}

static void test_end_of_file_inside(void **state)
{
	struct wire_message in;
	int fd;
	size_t count = 1;

	send_raw(pair[0], 10, 1);
	close_fd(&pair[0]);
	assert_int_equal(wire_receive(pair[1], &in, sizeof(in), &fd, &count), -EPROTO);
	assert_int_equal(count, 0);
}

/* The test's program would die of SIGPIPE. */
static void test_peer_gone(void **state)
{
	close_fd(&pair[1]);
	assert_int_equal(wire_send(pair[0], "x", 1, NULL, 0), -EPIPE);
}

static void test_arguments(void **state)
{
	int fds[9] = { 0 };

	assert_int_equal(wire_send(pair[0], "", 0, fds, 1), -EINVAL);
	assert_int_equal(wire_send(pair[0], "x", 1, fds, 9), -EINVAL);
	assert_int_equal(wire_send(pair[0], "", 0, NULL, 0), 0);
	assert_int_equal(wire_send(pair[0], "x", 1, &(int){ 9999 }, 1), -EBADF);
}

static void test_timeout(void **state)
{
	const struct timeval soon = { .tv_usec = 20000 };
	char data[2];

	assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon)), 0);
	send_raw(pair[0], 1, 1);
	int fd;
	size_t count = 1;
	assert_int_equal(wire_receive(pair[1], data, sizeof(data), &fd, &count), -EAGAIN);
	assert_int_equal(count, 0);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	alarms++;
}

/* A signal every millisecond, handled without SA_RESTART, at the receiver and at the sender. */
static void test_interrupted(void **state)
{
	const struct sigaction handler = { .sa_handler = on_alarm };
	const struct itimerval often = { { .tv_usec = 1000 }, { .tv_usec = 1000 } }, never = { 0 };
	const size_t size = 2 * 1024 * 1024;
	_cleanup_free_ char *data = calloc(1, size);

	assert_int_equal(sigaction(SIGALRM, &handler, NULL), 0);
	pid_t pid = fork();
	if (pid == 0) {
		for (size_t done = 0; done < size; done += size / 32) { /* slowly, both ways */
			usleep(2000);
			if (wire_receive(pair[1], data, size / 32, NULL, NULL) != 0)
				_exit(1);
		}
		for (size_t i = 0; i < 32; i++) {
			usleep(2000);
			if (wire_send(pair[1], data, 100, NULL, 0) != 0)
				_exit(2);
		}
		_exit(0);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	assert_int_equal(wire_send(pair[0], data, size, NULL, 0), 0);
	sig_atomic_t sending = alarms;
	assert_int_equal(wire_receive(pair[0], data, 3200, NULL, NULL), 0);
	sig_atomic_t receiving = alarms - sending;
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(sending > 3 && receiving > 3);
	reap(pid);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_round_trip),
		T(test_messages_do_not_mix),
		T(test_short_reads),
		T(test_large),
		T(test_too_many_descriptors),
		T(test_descriptors_in_pieces),
		T(test_descriptors_unwanted),
		T(test_end_of_file),
		T(test_end_of_file_inside),
		T(test_peer_gone),
		T(test_arguments),
		T(test_timeout),
		T(test_interrupted),
	};

	alarm(60); /* nothing here may hang; replaced by test_interrupted, the last */
	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
