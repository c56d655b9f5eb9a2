/* test_top.c - what `carrelctl top` makes of two looks at the counters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/units.h"
#include "ctl/top_sample.h"

static struct top_entry entry(const char *id, const char *user, uint64_t cpu_us)
{
	struct top_entry e = { .sessions = 1, .started = 1000, .idle = UNIT_NONE, .levels = 1 };

	(void)snprintf(e.id, sizeof(e.id), "%s", id);
	(void)snprintf(e.user, sizeof(e.user), "%s", user);
	memset(e.usage, 0xff, sizeof(e.usage));
	e.usage[0].cpu_us = cpu_us;
	e.usage[0].throttled_us = 0;
	return e;
}

static void rates_of_what_was_seen_twice(void **state)
{
	struct top_entry a = entry("1-1", "u", 1000000), b = a;
	struct top_sample before = { .at_us = 5000000, .now = 1090, .entries = &a, .count = 1 };
	struct top_sample now = { .at_us = 7000000, .now = 1092, .entries = &b, .count = 1 };
	struct top_row row;

	a.usage[0].read_bytes = 100;
	b.usage[0].read_bytes = 4196;
	b.usage[0].written_bytes = 5; /* was not known before */
	b.usage[0].cpu_us = 2500000;
	b.usage[0].throttled_us = 500000;
	b.usage[0].memory = 77;
	top_rates(&before, &now, &row);
	assert_ptr_equal(row.entry, &b);
	assert_int_equal(row.cpu, 750); /* 1.5 s in 2 s */
	assert_int_equal(row.read, 2048);
	assert_true(row.written == UNIT_NONE);
	assert_int_equal(top_io(&row), 2048);
	assert_int_equal(row.throttled, 250); /* half a second beside one and a half */
	assert_int_equal(row.memory, 77);
	assert_true(row.memory_limit == UNIT_NONE);
	assert_int_equal(row.age, 92000);
	assert_true(row.idle == UNIT_NONE);
}

static void the_level_that_keeps_back_most(void **state)
{
	struct top_entry a = entry("1-1", "u", 0), b = entry("1-1", "u", 100);
	struct top_sample before = { .at_us = 0, .entries = &a, .count = 1 };
	struct top_sample now = { .at_us = 1000000, .entries = &b, .count = 1 };
	struct top_row row;

	a.levels = b.levels = 2;
	a.usage[1].cpu_us = a.usage[1].throttled_us = 0;
	b.usage[1].cpu_us = 100;
	b.usage[1].throttled_us = 300;
	top_rates(&before, &now, &row);
	assert_int_equal(row.throttled, 750);
}

static void nothing_to_compare_with(void **state)
{
	struct top_entry a = entry("1-1", "u", 500), b[] = { entry("1-1", "u", 400), entry("2-2", "v", 1) };
	struct top_sample before = { .at_us = 1, .entries = &a, .count = 1 };
	struct top_sample now = { .at_us = 2000001, .now = 900, .entries = b, .count = 2 };
	struct top_row rows[2];

	b[1].levels = 0;
	top_rates(&before, &now, rows);
	assert_true(rows[0].cpu == UNIT_NONE); /* it went back */
	assert_int_equal(rows[0].age, 0);      /* the host's clock did */
	assert_true(rows[1].cpu == UNIT_NONE);
	assert_true(rows[1].memory == UNIT_NONE);
	top_rates(NULL, &now, rows);
	assert_true(rows[0].cpu == UNIT_NONE && rows[0].throttled == UNIT_NONE);
	/* Two looks at the same moment. */
	before.at_us = now.at_us;
	top_rates(&before, &now, rows);
	assert_true(rows[0].cpu == UNIT_NONE);
}

static void order(void **state)
{
	struct top_entry e[] = { entry("1-1", "b", 0), entry("2-2", "a", 0), entry("2-1", "a", 0),
				 entry("3-1", "c", 0) };
	struct top_row rows[4];
	const char *by_memory[] = { "3-1", "1-1", "2-1", "2-2" }, *by_user[] = { "2-1", "2-2", "1-1", "3-1" };

	memset(rows, 0xff, sizeof(rows));
	for (size_t i = 0; i < 4; i++)
		rows[i].entry = &e[i];
	rows[0].memory = 10;
	rows[3].memory = 20;
	rows[2].memory = 0; /* known, so before what is not */
	top_sort(rows, 4, TOP_MEMORY);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(rows[i].entry->id, by_memory[i]);
	top_sort(rows, 4, TOP_USER);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(rows[i].entry->id, by_user[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_of_what_was_seen_twice),
		cmocka_unit_test(the_level_that_keeps_back_most),
		cmocka_unit_test(nothing_to_compare_with),
		cmocka_unit_test(order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
