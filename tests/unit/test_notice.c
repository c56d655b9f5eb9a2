/* test_notice.c - the keeper's end of its socket to init, with an init that does as it likes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "keeper/notice.h"

static struct keeper k;
static int init_end;

static int set_up(void **state)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -1;
	k.sync_fd = pair[0];
	init_end = pair[1];
	return 0;
}

static int tear_down(void **state)
{
	close(k.sync_fd);
	close(init_end);
	return 0;
}

static struct notice_message heard(void)
{
	struct notice_message message;

	assert_int_equal(recv(init_end, &message, sizeof(message), MSG_DONTWAIT), sizeof(message));
	return message;
}

static void test_text_is_one_printable_line(void **state)
{
	char longer[500];

	assert_int_equal(notice_send(&k, "a%sb \x1b[31m\n\xc3", "\r\n"), 0);
	struct notice_message message = heard();
	assert_int_equal(message.kind, NOTICE_SHOW);
	assert_string_equal(message.text, "a??b ?[31m??");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(notice_send(&k, "%s", longer), 0);
	message = heard();
	assert_int_equal(strlen(message.text), WIRE_TEXT_MAX - 1);
}

static void test_a_stalled_init_holds_up_nobody(void **state)
{
	struct activity activity;
	int sent = 0, r;

	while ((r = notice_send(&k, "x")) == 0)
		assert_true(++sent < 10000);
	assert_int_equal(r, -EAGAIN);
	notice_end(&k, 100, "the end");
	assert_int_equal(notice_count(&k, 100, &activity), -EAGAIN);
}

static void answer(uint32_t kind, uint32_t serial, int64_t idle_ms, size_t size)
{
	const struct notice_message message = { .kind = kind,
						.serial = serial,
						.activity = { .idle_ms = idle_ms, .commands = 7 } };

	assert_int_equal(send(init_end, &message, size, 0), size);
}

static void test_only_the_answer_counts(void **state)
{
	struct activity activity = { .commands = 1 };
	const size_t whole = sizeof(struct notice_message);
	int64_t serial = notice_ask(&k);
	uint32_t right = (uint32_t)serial;

	assert_true(serial > 0);
	assert_int_equal(notice_receive(&k, right, &activity), 0);
	answer(NOTICE_ANSWER, right + 1, 5, whole);
	answer(NOTICE_SHOW, right, 5, whole);
	answer(NOTICE_ANSWER, right, -5, whole);
	answer(NOTICE_ANSWER, right, 5, whole - 1);
	assert_int_equal(send(init_end, "x", 1, 0), 1);
	for (int i = 0; i < 6; i++)
		assert_int_equal(notice_receive(&k, right, &activity), 0);
	assert_int_equal(activity.commands, 1);
	answer(NOTICE_ANSWER, right, 5, whole);
	assert_int_equal(notice_receive(&k, right, &activity), 1);
	assert_int_equal(activity.commands, 7);
	assert_int_equal(activity.idle_ms, 5);
}

/* It may send descriptors; they are never taken. */
static void test_descriptors_are_not_taken(void **state)
{
	struct notice_message message = { .kind = NOTICE_ANSWER };
	struct activity activity;
	int before = dup(init_end);

	close(before);
	assert_int_equal(wire_send(init_end, &message, sizeof(message), &init_end, 1), 0);
	assert_int_equal(notice_receive(&k, 1, &activity), 0);
	int after = dup(init_end);
	close(after);
	assert_int_equal(before, after);
}

static void test_an_init_that_is_gone(void **state)
{
	struct activity activity;

	close(init_end);
	init_end = -1;
	assert_int_equal(notice_send(&k, "x"), -EPIPE);
	assert_int_equal(notice_receive(&k, 1, &activity), -ECONNRESET);
	assert_int_equal(notice_count(&k, 1000, &activity), -EPIPE);
	notice_end(&k, 1000, "the end");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_text_is_one_printable_line, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_stalled_init_holds_up_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_only_the_answer_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_descriptors_are_not_taken, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_an_init_that_is_gone, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
