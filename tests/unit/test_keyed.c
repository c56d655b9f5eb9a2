/* test_keyed.c - core/keyed.c: what was written comes back, and nothing else is taken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/keyed.h"
#include "core/text.h"

struct thing {
	char name[16];
	uint32_t narrow;
	uint64_t wide;
};

static const struct keyed_field fields[] = {
	KEYED_FIELD(struct thing, name, KEYED_STRING),
	KEYED_FIELD(struct thing, narrow, KEYED_NUMBER),
	KEYED_FIELD(struct thing, wide, KEYED_NUMBER),
};

static int parse(const char *text, struct thing *thing, struct carrel_error *err)
{
	char copy[256];

	assert_int_equal(text_format(copy, sizeof(copy), "%s", text), 0);
	memset(thing, 0, sizeof(*thing));
	return keyed_parse(copy, fields, ARRAY_SIZE(fields), thing, err);
}

static void test_both_ways(void **state)
{
	struct thing out = { .name = "a b=c\\", .narrow = UINT32_MAX, .wide = UINT64_MAX - 5 }, in;
	char text[256];

	assert_true(keyed_format(text, sizeof(text), fields, ARRAY_SIZE(fields), &out) > 0);
	assert_string_equal(text, "name=a b=c\\x5c\nnarrow=4294967295\nwide=18446744073709551610\n");
	assert_int_equal(parse(text, &in, NULL), 0);
	assert_string_equal(in.name, "a b=c\\x5c");
	assert_true(in.narrow == out.narrow && in.wide == out.wide);
	assert_int_equal(keyed_format(text, 20, fields, ARRAY_SIZE(fields), &out), -EFBIG);
}

static void test_any_order(void **state)
{
	struct thing in;

	assert_int_equal(parse("wide=0\nname=\nnarrow=7\n", &in, NULL), 0);
	assert_int_equal(in.narrow, 7);
	assert_string_equal(in.name, "");
}

static void test_optional(void **state)
{
	static const struct keyed_field some[] = {
		KEYED_FIELD(struct thing, name, KEYED_STRING),
		KEYED_OPTIONAL(struct thing, narrow, KEYED_NUMBER),
		KEYED_OPTIONAL(struct thing, wide, KEYED_NUMBER),
	};
	struct thing out = { .name = "", .wide = 3 }, in = { .narrow = 9 };
	char text[64];

	assert_true(keyed_format(text, sizeof(text), some, ARRAY_SIZE(some), &out) > 0);
	assert_string_equal(text, "name=\nwide=3\n");
	assert_int_equal(keyed_parse(text, some, ARRAY_SIZE(some), &in, NULL), 0);
	assert_true(in.wide == 3 && in.narrow == 9);
	char twice[] = "wide=3\nname=x\nwide=3\n";
	assert_int_equal(keyed_parse(twice, some, ARRAY_SIZE(some), &in, NULL), -EBADMSG);
}

static void test_refused(void **state)
{
	static const struct {
		const char *text, *message;
	} cases[] = {
		{ "", "there is no 'name'" },
		{ "name=x\nnarrow=1\n", "there is no 'wide'" },
		{ "name=x\nnarrow=1\nwide=2", "line 3 has no end" },
		{ "name=x\nname=x\nnarrow=1\nwide=2\n", "line 2" },
		{ "name=x\nnarrow=1\nwide=2\nmore=3\n", "line 4" },
		{ "name=x\nnarrow=4294967296\nwide=2\n", "line 2" },
		{ "name=x\nnarrow=1\nwide=18446744073709551616\n", "line 3" },
		{ "name=x\nnarrow=0x1\nwide=2\n", "line 2" },
		{ "name=x\nnarrow= 1\nwide=2\n", "line 2" },
		{ "name=x\nnarrow=00\nwide=2\n", "line 2" },
		{ "name=0123456789abcdef\nnarrow=1\nwide=2\n", "line 1" },
		{ "name=x\ty\nnarrow=1\nwide=2\n", "line 1" },
		{ "name=\xc3\xa9\nnarrow=1\nwide=2\n", "line 1" },
		{ " name=x\nnarrow=1\nwide=2\n", "line 1" },
		{ "name\nnarrow=1\nwide=2\n", "line 1" },
	};
	struct carrel_error err;
	struct thing in;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(cases[i].text, &in, &err), -EBADMSG);
		assert_non_null(strstr(err.msg, cases[i].message));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_optional),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests_name("keyed", tests, NULL, NULL);
}
