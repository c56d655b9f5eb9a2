/* test_units.c - core/units.c: sizes, times and shares of CPUs, read strictly and written for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "core/cleanup.h"
#include "core/units.h"

#define UNTOUCHED 0x5a5a5a5au

struct parse_case {
	const char *text;
	int result;
	uint64_t value;
};

static void check_cases(int (*parse)(const char *, uint64_t *), const struct parse_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t value = UNTOUCHED;
		int r = parse(cases[i].text, &value);

		if (r != cases[i].result || (!r && value != cases[i].value))
			fail_msg("\"%s\": %d, %llu", cases[i].text, r, (unsigned long long)value);
		if (r)
			assert_int_equal(value, UNTOUCHED);
	}
}

static void test_parse_size(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "1", 0, 1 },
		{ "4096", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "1k", 0, 1024 },
		{ "512M", 0, 512ull << 20 },
		{ "512m", 0, 512ull << 20 },
		{ "3G", 0, 3ull << 30 },
		{ "2T", 0, 2ull << 40 },
		{ "0G", 0, 0 },
		{ "99999999999", 0, 99999999999ull },
		{ "18446744073709551614", 0, UINT64_MAX - 1 },
		{ "max", 0, UNIT_NONE },
		{ "off", 0, UNIT_NONE },
		/* UINT64_MAX is "none" and must not come out of digits */
		{ "18446744073709551615", -ERANGE, 0 },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999999999", -ERANGE, 0 },
		{ "18014398509481984K", -ERANGE, 0 },
		{ "16777216T", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "M", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "1 M", -EINVAL, 0 },
		{ "1MB", -EINVAL, 0 },
		{ "1MiB", -EINVAL, 0 },
		{ "1MM", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1P", -EINVAL, 0 },
		{ "1s", -EINVAL, 0 },
		{ "1\n", -EINVAL, 0 },
		{ "Max", -EINVAL, 0 },
		{ "maximum", -EINVAL, 0 },
		{ "none", -EINVAL, 0 },
	};
	check_cases(unit_parse_size, cases, ARRAY_SIZE(cases));
}

static void test_parse_time(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "90", 0, 90000 },
		{ "90s", 0, 90000 },
		{ "5m", 0, 300000 },
		{ "12h", 0, 12ull * 3600000 },
		{ "7d", 0, 7ull * 86400000 },
		{ "off", 0, UNIT_NONE },
		{ "max", 0, UNIT_NONE },
		{ "18446744073709551", 0, 18446744073709551000ull },
		{ "18446744073709552", -ERANGE, 0 },
		{ "213503982335d", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1M", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
		{ "1ms", -EINVAL, 0 },
		{ "1h30m", -EINVAL, 0 },
		{ "1.5h", -EINVAL, 0 },
		{ "-5s", -EINVAL, 0 },
		{ "1w", -EINVAL, 0 },
	};
	check_cases(unit_parse_time, cases, ARRAY_SIZE(cases));
}

static void test_parse_cpus(void **state)
{
	static const struct parse_case cases[] = {
		{ "1", 0, 1000 },
		{ "0.5", 0, 500 },
		{ "1.25", 0, 1250 },
		{ "2.125", 0, 2125 },
		{ "0.01", 0, 10 },
		{ "0.010", 0, 10 },
		{ "64", 0, 64000 },
		{ "max", 0, UNIT_NONE },
		{ "off", 0, UNIT_NONE },
		{ "0", -ERANGE, 0 },
		{ "0.0", -ERANGE, 0 },
		{ "0.009", -ERANGE, 0 },
		{ "18446744073709551", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ ".5", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ "1.2345", -EINVAL, 0 },
		{ "1,5", -EINVAL, 0 },
		{ "1.5.5", -EINVAL, 0 },
		{ "50%", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "1e3", -EINVAL, 0 },
		{ "2K", -EINVAL, 0 },
	};
	check_cases(unit_parse_cpus, cases, ARRAY_SIZE(cases));
}

struct format_case {
	uint64_t value;
	const char *text;
};

static void check_formats(char *(*format)(char *, size_t, uint64_t), int (*parse)(const char *, uint64_t *),
			  const struct format_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char buf[32];
		uint64_t again;

		assert_ptr_equal(format(buf, sizeof(buf), cases[i].value), buf);
		assert_string_equal(buf, cases[i].text);
		if (cases[i].value == UNIT_NONE || !parse)
			continue;
		assert_int_equal(parse(buf, &again), 0);
		assert_int_equal(again, cases[i].value);
	}
}

static void test_format(void **state)
{
	static const struct format_case sizes[] = {
		{ 0, "0" },
		{ 1, "1" },
		{ 1000, "1000" },
		{ 1024, "1K" },
		{ 1025, "1025" },
		{ 1536, "1536" },
		{ 512ull << 20, "512M" },
		{ 3ull << 29, "1536M" },
		{ 1ull << 40, "1T" },
		{ UINT64_MAX - 1, "18446744073709551614" },
		{ UNIT_NONE, "none" },
	};
	static const struct format_case times[] = {
		{ 0, "0s" },	   { 1000, "1s" },     { 90000, "90s" },   { 60000, "1m" },
		{ 3600000, "1h" }, { 5400000, "90m" }, { 86400000, "1d" }, { UNIT_NONE, "none" },
	};
	static const struct format_case cpus[] = {
		{ 10, "0.01" },	   { 500, "0.5" },  { 1000, "1" },	   { 1250, "1.25" },
		{ 1005, "1.005" }, { 64000, "64" }, { UNIT_NONE, "none" },
	};
	static const struct format_case odd[] = { { 1500, "1500ms" } };

	check_formats(unit_format_size, unit_parse_size, sizes, ARRAY_SIZE(sizes));
	check_formats(unit_format_time, unit_parse_time, times, ARRAY_SIZE(times));
	check_formats(unit_format_cpus, unit_parse_cpus, cpus, ARRAY_SIZE(cpus));
	check_formats(unit_format_time, NULL, odd, ARRAY_SIZE(odd));
}

static void test_format_about(void **state)
{
	static const struct format_case sizes[] = {
		{ 0, "0" },
		{ 1023, "1023" },
		{ 1024, "1K" },
		{ 1536, "1.5K" },
		{ 12900000, "12.3M" },
		{ 64u << 20, "64M" },
		{ (64u << 20) + 1, "64M" },
		{ 104752742, "99.9M" },
		{ 104856000, "100M" }, /* rounded up to it */
		{ 500u << 20, "500M" },
		{ (500ull << 20) + (600u << 10), "501M" },
		{ 1099511627776, "1T" },
		{ UNIT_NONE, "-" },
	};
	static const struct format_case times[] = {
		{ 0, "0s" },	    { 999, "0s" },	   { 59999, "59s" },	     { 60000, "1m" },
		{ 61000, "1m1s" },  { 3599999, "59m59s" }, { 3600000, "1h" },	     { 11045000, "3h4m" },
		{ 86400000, "1d" }, { 97200000, "1d3h" },  { 86400000000, "1000d" }, { UNIT_NONE, "-" },
	};

	check_formats(unit_format_about_size, NULL, sizes, ARRAY_SIZE(sizes));
	check_formats(unit_format_about_time, NULL, times, ARRAY_SIZE(times));
}

static void test_format_small_buffer(void **state)
{
	char buf[4];

	assert_string_equal(unit_format_size(buf, sizeof(buf), 123456), "123");
	assert_string_equal(unit_format_size(buf, sizeof(buf), UNIT_NONE), "non");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_size),	    cmocka_unit_test(test_parse_time),
		cmocka_unit_test(test_parse_cpus),	    cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_small_buffer), cmocka_unit_test(test_format_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
