/* test_usage.c - the kernel's files of a cgroup as numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/units.h"
#include "core/usage.h"

static void numbers(void **state)
{
	assert_int_equal(usage_parse_number("0\n"), 0);
	assert_int_equal(usage_parse_number("536870912\n"), 536870912);
	assert_true(usage_parse_number("max\n") == UNIT_NONE);
	assert_true(usage_parse_number("-1\n") == UNIT_NONE);
	assert_true(usage_parse_number("") == UNIT_NONE);
	/* No limit as version 1 writes it, with pages of 4 and of 64 KiB. */
	assert_true(usage_parse_number("9223372036854771712\n") == UNIT_NONE);
	assert_true(usage_parse_number("9223372036854710272\n") == UNIT_NONE);
	assert_true(usage_parse_number("18446744073709551616\n") == UNIT_NONE);
}

static void lines_of_a_stat_file(void **state)
{
	const char *text = "usage_usec 1234\nuser_usec 1000\nnr_throttled 7\nthrottled_usec 56";

	assert_int_equal(usage_parse_stat(text, "usage_usec"), 1234);
	assert_int_equal(usage_parse_stat(text, "throttled_usec"), 56);
	assert_true(usage_parse_stat(text, "throttled") == UNIT_NONE);
	assert_true(usage_parse_stat(text, "usec") == UNIT_NONE);
	assert_true(usage_parse_stat("", "usage_usec") == UNIT_NONE);
	assert_true(usage_parse_stat("usage_usec \nx", "usage_usec") == UNIT_NONE);
}

static void quota_and_period(void **state)
{
	assert_int_equal(usage_parse_cpu_max("50000 100000\n"), 500);
	assert_int_equal(usage_parse_cpu_max("400000 100000\n"), 4000);
	assert_true(usage_parse_cpu_max("max 100000\n") == UNIT_NONE);
	assert_true(usage_parse_cpu_max("-1 100000\n") == UNIT_NONE);
	assert_true(usage_parse_cpu_max("1 0\n") == UNIT_NONE);
	assert_true(usage_parse_cpu_max("50000\n") == UNIT_NONE);
}

static void io(void **state)
{
	uint64_t r = 9, w = 9;

	usage_parse_io("259:0 rbytes=100 wbytes=20 rios=3 wios=4 dbytes=5 dios=6\n8:0 rbytes=1 wbytes=2\n",
		       true, &r, &w);
	assert_int_equal(r, 101);
	assert_int_equal(w, 22);
	usage_parse_io("8:0 Read 100\n8:0 Write 7\n8:0 Sync 3\n8:0 Async 4\n8:0 Discard 9\n8:0 Total 107\n"
		       "8:16 Read 1\n8:16 Write 2\nTotal 110\n",
		       false, &r, &w);
	assert_int_equal(r, 101);
	assert_int_equal(w, 9);
	/* A device with no numbers yet must not take those of the next line. */
	usage_parse_io("8:0 \n8:16 rbytes=5 wbytes=6\n", true, &r, &w);
	assert_int_equal(r, 5);
	assert_int_equal(w, 6);
	usage_parse_io("", true, &r, &w);
	assert_int_equal(r, 0);
	assert_int_equal(w, 0);
}

static void share_kept_back(void **state)
{
	assert_int_equal(usage_throttled_share(0, 0), 0);
	assert_int_equal(usage_throttled_share(0, 500), 0);
	assert_int_equal(usage_throttled_share(500, 500), 500);
	assert_int_equal(usage_throttled_share(3000, 1000), 750);
	assert_int_equal(usage_throttled_share(10, 0), 1000);
	assert_true(usage_throttled_share(UNIT_NONE, 1) == UNIT_NONE);
	assert_true(usage_throttled_share(1, UNIT_NONE) == UNIT_NONE);
}

static void check_row(const struct usage_row *row, const char *resource, const char *used, const char *limit,
		      const char *peak, const char *throttled)
{
	struct usage_text text;

	usage_row_text(row, &text);
	assert_string_equal(row->resource, resource);
	assert_string_equal(text.used, used);
	assert_string_equal(text.limit, limit);
	assert_string_equal(text.peak, peak);
	assert_string_equal(text.throttled, throttled);
}

static void rows_for_people(void **state)
{
	struct usage_row rows[USAGE_ROWS];
	struct usage usage = {
		.memory = 12 << 20,
		.memory_peak = 13000000,
		.memory_limit = 64 << 20,
		.swap = 0,
		.pids = 3,
		.pids_peak = UNIT_NONE,
		.pids_limit = UNIT_NONE,
		.cpu_us = 12340000,
		.cpu_limit = 1500,
		.throttled_us = 12340000,
		.read_bytes = 1,
		.written_bytes = UNIT_NONE,
	};

	usage_rows(&usage, rows);
	check_row(&rows[0], "memory", "12M", "64M", "12.4M", "-");
	check_row(&rows[1], "swap", "0", "-", "-", "-");
	check_row(&rows[2], "cpu", "12.3s", "1.5", "-", "50.0%");
	check_row(&rows[3], "pids", "3", "none", "-", "-");
	check_row(&rows[4], "read", "1", "-", "-", "-");
	check_row(&rows[5], "written", "-", "-", "-", "-");
	usage.cpu_limit = usage.memory_limit = usage.cpu_us = UNIT_NONE;
	usage_rows(&usage, rows);
	check_row(&rows[0], "memory", "12M", "none", "12.4M", "-");
	check_row(&rows[2], "cpu", "-", "none", "-", "-");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),	    cmocka_unit_test(lines_of_a_stat_file),
		cmocka_unit_test(quota_and_period), cmocka_unit_test(io),
		cmocka_unit_test(share_kept_back),  cmocka_unit_test(rows_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
