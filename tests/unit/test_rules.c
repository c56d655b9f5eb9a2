/* test_rules.c - when a session is warned and ended. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "keeper/rules.h"

#define NONE UNIT_NONE

static struct rules rules;
static int64_t next;
static char text[200];

static enum rules_step step(int64_t now)
{
	enum rules_step s = rules_next(&rules, now, &next);

	rules_explain(&rules, s, now, text, sizeof(text));
	return s;
}

static void begin(uint64_t idle, uint64_t lifetime, uint64_t warn)
{
	const struct session_rules set = { .idle = idle, .lifetime = lifetime, .warn = warn };

	rules_start(&rules, &set, 1000);
}

static void change(uint64_t idle, uint64_t lifetime, uint64_t warn, int64_t now)
{
	const struct session_rules set = { .idle = idle, .lifetime = lifetime, .warn = warn };

	rules_change(&rules, &set, now);
}

static void test_without_rules_nothing_is_ever_due(void **state)
{
	begin(NONE, NONE, 60000);
	assert_int_equal(step(INT64_MAX - 1), RULES_WAIT);
	assert_int_equal(next, RULES_NEVER);
}

static void test_idle(void **state)
{
	begin(900000, NONE, 60000);
	assert_int_equal(step(1000), RULES_WAIT);
	assert_int_equal(next, 841000);
	assert_int_equal(step(840999), RULES_WAIT);
	/* Only then somebody is asked. */
	assert_int_equal(step(841000), RULES_ASK);
	assert_int_equal(next, RULES_NEVER);
	rules_learn(&rules, 1000, 841000);
	assert_int_equal(step(841002), RULES_WARN_IDLE);
	assert_string_equal(text, "this session ends in 60 s: no input or output for 14 min");
	assert_int_equal(step(841002), RULES_WAIT);
	assert_int_equal(next, 901002); /* the warning said 60 s */
	assert_int_equal(step(901002), RULES_ASK);
	rules_learn(&rules, 1000, 901002);
	assert_int_equal(step(901003), RULES_END_IDLE);
	assert_string_equal(text, "session ended: idle for 15 min");
}

static void test_activity_after_the_warning(void **state)
{
	begin(100000, NONE, 10000);
	rules_learn(&rules, 1000, 91000);
	assert_int_equal(step(91000), RULES_WARN_IDLE);
	rules_learn(&rules, 95000, 101000);
	assert_int_equal(step(101000), RULES_WAIT);
	assert_int_equal(next, 185000);
	rules_learn(&rules, 90000, 100000); /* older news */
	rules_learn(&rules, 0, 185000);
	assert_int_equal(step(185000), RULES_WARN_IDLE);
	assert_string_equal(text, "this session ends in 10 s: no input or output for 90 s");
}

static void test_no_warning(void **state)
{
	begin(5000, NONE, NONE);
	rules_learn(&rules, 1000, 6000);
	assert_int_equal(step(5999), RULES_WAIT);
	assert_int_equal(step(6000), RULES_END_IDLE);
	begin(NONE, 5000, 0);
	assert_int_equal(step(5999), RULES_WAIT);
	assert_int_equal(step(6000), RULES_END_LIFETIME);
}

static void test_a_warning_is_at_most_half_the_time_before(void **state)
{
	begin(10000, 30000, 60000);
	assert_int_equal(step(1000), RULES_WAIT);
	assert_int_equal(next, 6000);
	rules_learn(&rules, 9000, 9000);
	assert_int_equal(step(9000), RULES_WAIT);
	assert_int_equal(next, 14000);
	rules_learn(&rules, 15900, 15900);
	assert_int_equal(step(16000), RULES_WARN_LIFETIME);
	assert_string_equal(text, "this session ends in 15 s: it has been open for 15 s");
}

static void test_lifetime_does_not_ask(void **state)
{
	begin(NONE, 8 * 3600000, 60000);
	assert_int_equal(step(28741000), RULES_WARN_LIFETIME);
	assert_string_equal(text, "this session ends in 60 s: it has been open for 7 h 59 min");
	rules_learn(&rules, 28800000, 28800000);
	assert_int_equal(step(28801000), RULES_END_LIFETIME);
	assert_string_equal(text, "session ended: it has been open for 8 h");
}

/* While an answer is awaited, the lifetime goes on. */
static void test_lifetime_during_a_question(void **state)
{
	begin(10000, 11000, NONE);
	assert_int_equal(step(11000), RULES_ASK);
	assert_int_equal(next, 12000);
	assert_int_equal(step(12000), RULES_END_LIFETIME);
}

static void test_stricter_rules_warn_first(void **state)
{
	begin(NONE, NONE, 60000);
	change(60000, NONE, 10000, 1000000);
	rules_learn(&rules, 2000, 1000000);
	assert_int_equal(step(1000000), RULES_WARN_IDLE);
	assert_string_equal(text, "this session ends in 10 s: no input or output for 16 min 38 s");
	assert_int_equal(step(1009999), RULES_WAIT);
	rules_learn(&rules, 2000, 1010000);
	assert_int_equal(step(1010000), RULES_END_IDLE);

	begin(NONE, NONE, 60000);
	change(NONE, 60000, 10000, 1000000);
	assert_int_equal(step(1000000), RULES_WARN_LIFETIME);
	assert_int_equal(step(1009999), RULES_WAIT);
	assert_int_equal(step(1010000), RULES_END_LIFETIME);
}

static void test_looser_rules_warn_again(void **state)
{
	begin(NONE, 60000, 10000);
	assert_int_equal(step(51000), RULES_WARN_LIFETIME);
	change(NONE, 120000, 10000, 52000);
	assert_int_equal(step(61000), RULES_WAIT);
	assert_int_equal(next, 111000);
	assert_int_equal(step(111000), RULES_WARN_LIFETIME);
	change(NONE, NONE, 10000, 112000);
	assert_int_equal(step(200000), RULES_WAIT);
}

static void test_times(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} cases[] = {
		{ -5, "0 s" },
		{ 0, "0 s" },
		{ 999, "0 s" },
		{ 60000, "60 s" },
		{ 119999, "119 s" },
		{ 120000, "2 min" },
		{ 150000, "2 min 30 s" },
		{ 5400000, "90 min" },
		{ 7200000, "2 h" },
		{ 9000000, "2 h 30 min" },
		{ 7259000, "2 h" },
		{ 172800000, "2 d" },
		{ 180000000, "2 d 2 h" },
	};
	char buf[48];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(rules_time_text(buf, sizeof(buf), cases[i].ms), cases[i].text);
}

static void test_the_control_word(void **state)
{
	static const char *const wrong[] = {
		"rules",
		"rules ",
		"rule idle=5000",
		"rulesidle=5000",
		"rules idle",
		"rules idle=",
		"rules idle=5",
		"rules idle=-5000",
		"rules idle=5000ms",
		"rules idle=5000  warn=1",
		"rules idle=5000 ",
		"rules idle=5000 limes=1",
		"rules lifetime=0",
		"rules idle=18446744073709551615",
		"rules idle=99999999999999999999999",
		"rules warn=offf",
	};
	struct session_rules set = { .max = 3, .idle = NONE, .lifetime = 7000, .warn = 60000 };

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(rules_parse(wrong[i], &set));
		assert_int_equal(set.idle, NONE);
	}
	assert_true(rules_parse("rules idle=5000 warn=0", &set));
	assert_int_equal(set.idle, 5000);
	assert_int_equal(set.lifetime, 7000);
	assert_int_equal(set.warn, 0);
	assert_int_equal(set.max, 3);
	assert_true(rules_parse("rules warn=off lifetime=off idle=off", &set));
	assert_true(set.idle == NONE && set.lifetime == NONE && set.warn == NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_rules_nothing_is_ever_due),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_activity_after_the_warning),
		cmocka_unit_test(test_no_warning),
		cmocka_unit_test(test_a_warning_is_at_most_half_the_time_before),
		cmocka_unit_test(test_lifetime_does_not_ask),
		cmocka_unit_test(test_lifetime_during_a_question),
		cmocka_unit_test(test_stricter_rules_warn_first),
		cmocka_unit_test(test_looser_rules_warn_again),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_the_control_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
