/* test_ask.c - what the keeper takes of the questions that init asks, whoever sends them. */
#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/wire.h"
#include "keeper/ask.h"
#include "keeper/init_serve.h"
#include "keeper/notice.h"
#include "keeper/oom.h"
#include "keeper/supervise.h"
#include "keeper/watch.h"

/* The message as ask.c has it: a kind and a serial. */
static const uint32_t score[2] = { 1, 0 }, nonsense[2] = { 99, 0 };

static struct keeper k;
static struct source asked;
static int scores;

/* --- in the place of the rest of the keeper --- */

struct source *supervise_add(struct keeper *keeper, const struct source *source)
{
	asked = *source;
	return &asked;
}

int oom_set(const struct keeper *keeper, pid_t pid)
{
	scores++;
	return 0;
}

void watch_now(struct keeper *keeper)
{
}

void notice_told(struct keeper *keeper, uint32_t serial)
{
}

int init_send(int fd, const void *message, size_t size)
{
	return 0;
}

/* --- */

static int set_up(void **state)
{
	struct carrel_error err;

	if (ask_open(&k, &err) < 0)
		return -1;
	ask_serve(&k);
	scores = 0;
	return 0;
}

static int tear_down(void **state)
{
	close(k.ask_fds[0]);
	close(k.ask_fds[1]);
	return 0;
}

static int open_descriptors(void)
{
	int count = 0;
	DIR *dir = opendir("/proc/self/fd");

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* A message with `count` descriptors is sent and served: how many more are open afterwards. */
static int left_open(const uint32_t *message, size_t count)
{
	int pair[2], fds[8];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t i = 0; i < count; i++)
		fds[i] = pair[1];
	int before = open_descriptors();
	assert_int_equal(wire_send(k.ask_fds[1], message, sizeof(score), fds, count), 0);
	assert_int_equal(asked.run(&k, &asked, POLLIN), ENDING_NONE);
	int after = open_descriptors();
	close(pair[0]);
	close(pair[1]);
	return after - before;
}

static void test_a_question_with_its_socket(void **state)
{
	assert_int_equal(left_open(score, 1), 0);
	assert_int_equal(scores, 1);
}

static void test_more_than_one_descriptor(void **state)
{
	for (size_t count = 2; count <= 4; count++)
		assert_int_equal(left_open(score, count), 0);
	assert_int_equal(scores, 0);
}

static void test_a_descriptor_that_nobody_asked_for(void **state)
{
	assert_int_equal(left_open(nonsense, 1), 0);
	assert_int_equal(left_open(nonsense, 2), 0);
	assert_int_equal(left_open(score, 0), 0);
	assert_int_equal(scores, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_question_with_its_socket, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_more_than_one_descriptor, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_descriptor_that_nobody_asked_for, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
