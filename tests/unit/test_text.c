/* test_text.c - core/text.c and core/error.c: what messages and suggestions are made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/error.h"
#include "core/text.h"

static void test_format(void **state)
{
	char buf[6];

	assert_int_equal(text_format(buf, sizeof(buf), "%s", "12345"), 0);
	assert_string_equal(buf, "12345");
	assert_int_equal(text_format(buf, sizeof(buf), "%s", "123456"), -ENAMETOOLONG);
	assert_int_equal(text_format(buf, sizeof(buf), "%s", ""), 0);
	assert_string_equal(buf, "");
}

static void test_escape(void **state)
{
	char buf[64];

	assert_ptr_equal(text_escape(buf, sizeof(buf), "plain ~text"), buf);
	assert_string_equal(buf, "plain ~text");
	assert_string_equal(text_escape(buf, sizeof(buf), "a\nb\x1b[31m\t\x7f"),
			    "a\\x0ab\\x1b[31m\\x09\\x7f");
	assert_string_equal(text_escape(buf, sizeof(buf), "\\x41 \xc3\xa9"), "\\x5cx41 \\xc3\\xa9");
	assert_string_equal(text_escape(buf, sizeof(buf), ""), "");
}

static const char *unescaped(char *buf, size_t size, const char *in)
{
	text_unescape(buf, size, in, strlen(in));
	return buf;
}

static void test_unescape(void **state)
{
	char buf[64], safe[64];
	static const char odd[] = "DOM\\ann \x1b\xc3\xa9\\x41";

	assert_string_equal(unescaped(buf, sizeof(buf), text_escape(safe, sizeof(safe), odd)), odd);
	text_unescape(safe, sizeof(safe), safe, strlen(safe)); /* in place */
	assert_string_equal(safe, odd);
	assert_string_equal(unescaped(buf, sizeof(buf), "\\x4 \\x4g \\X41 \\x00 \\"),
			    "\\x4 \\x4g \\X41 \\x00 \\");
	text_unescape(buf, sizeof(buf), "a\\x41", 4);
	assert_string_equal(buf, "a\\x4");
	text_unescape(buf, 3, "1234", 4);
	assert_string_equal(buf, "12");
}

static void test_printable(void **state)
{
	char text[] = "a\\x41\n\x1b[31m\t\x7f\xc3\xa9~ ";

	assert_ptr_equal(text_printable(text), text);
	assert_string_equal(text, "a\\x41??[31m????~ ");
}

static void test_escape_cuts(void **state)
{
	char buf[8];

	assert_string_equal(text_escape(buf, sizeof(buf), "1234567"), "1234567");
	assert_string_equal(text_escape(buf, sizeof(buf), "12345678"), "1234...");
	/* an escape is never cut in the middle, and never overruns */
	assert_string_equal(text_escape(buf, sizeof(buf), "12345\n"), "12...");
	for (size_t size = 1; size <= sizeof(buf); size++) {
		memset(buf, 'Z', sizeof(buf));
		text_escape(buf, size, "\n\n\n\n\n");
		assert_true(strlen(buf) < size);
		for (size_t i = size; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'Z');
	}
}

static void test_distance(void **state)
{
	char longest[64], longer[65];

	assert_int_equal(text_distance("", ""), 0);
	assert_int_equal(text_distance("memory", "memory"), 0);
	assert_int_equal(text_distance("", "abc"), 3);
	assert_int_equal(text_distance("abc", ""), 3);
	assert_int_equal(text_distance("memroy", "memory"), 1);
	assert_int_equal(text_distance("kitten", "sitting"), 3);
	assert_int_equal(text_distance("sitting", "kitten"), 3);
	memset(longest, 'a', sizeof(longest));
	longest[63] = '\0';
	memset(longer, 'a', sizeof(longer));
	longer[64] = '\0';
	assert_int_equal(text_distance(longest, longest), 0);
	assert_int_equal(text_distance(longest, ""), 63);
	assert_true(text_distance(longer, "a") == SIZE_MAX);
	assert_true(text_distance("a", longer) == SIZE_MAX);
}

static void test_nearest(void **state)
{
	static const char *const words[] = { "memory", "swap", "cpus", "cpu_weight", "pids", "tmp", NULL };
	static const char *const none[] = { NULL };

	assert_ptr_equal(text_nearest("memroy", words), words[0]);
	assert_ptr_equal(text_nearest("Memory", words), words[0]);
	assert_ptr_equal(text_nearest("swp", words), words[1]);
	assert_ptr_equal(text_nearest("cpu", words), words[2]);
	assert_ptr_equal(text_nearest("cpuweight", words), words[3]);
	assert_ptr_equal(text_nearest("tpm", words), words[5]); /* two letters swapped */
	assert_ptr_equal(text_nearest("tpa", words), NULL);	/* two changes in three letters */
	assert_ptr_equal(text_nearest("network", words), NULL);
	assert_ptr_equal(text_nearest("x", words), NULL);
	assert_ptr_equal(text_nearest("memory", none), NULL);
}

static void test_is_name(void **state)
{
	static const char *const good[] = { "a", "alpine", "alpine-3.20", "A_b.c-d", "0", "x." };
	static const char *const bad[] = { "",	  ".",	 "..",	".hidden",  "-x",
					   "a/b", "a b", "a\n", "\xc3\xa9", "a:b" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(text_is_name(good[i], 63));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(text_is_name(bad[i], 63));
	assert_true(text_is_name("1234", 4));
	assert_false(text_is_name("12345", 4));
}

static void test_hex_digit(void **state)
{
	assert_int_equal(text_hex_digit('0'), 0);
	assert_int_equal(text_hex_digit('9'), 9);
	assert_int_equal(text_hex_digit('a'), 10);
	assert_int_equal(text_hex_digit('f'), 15);
	assert_int_equal(text_hex_digit('g'), -1);
	assert_int_equal(text_hex_digit('A'), -1);
	assert_int_equal(text_hex_digit('\0'), -1);
}

static void test_error(void **state)
{
	struct carrel_error err = { 0 };

	assert_int_equal(error_set(&err, EPERM, "no %s", "way"), -EPERM);
	assert_int_equal(err.code, EPERM);
	assert_string_equal(err.msg, "no way");
	assert_int_equal(error_context(&err, "cannot start '%s'", "x"), -EPERM);
	assert_string_equal(err.msg, "cannot start 'x': no way");
	errno = ENOENT;
	assert_int_equal(error_errno(&err, "cannot open '%s'", "/x"), -ENOENT);
	assert_string_equal(err.msg, "cannot open '/x': No such file or directory");
	/* errno 0 must still be an error */
	errno = 0;
	assert_int_equal(error_errno(&err, "odd"), -EIO);
	assert_int_equal(error_set(NULL, EPERM, "nobody asks"), -EPERM);
}

static void test_error_long(void **state)
{
	struct carrel_error err;
	char text[2 * CARREL_ERROR_MAX];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&err, EINVAL, "%s", text);
	assert_int_equal(strlen(err.msg), CARREL_ERROR_MAX - 1);
	error_context(&err, "%s", text);
	assert_true(strlen(err.msg) < CARREL_ERROR_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printable),   cmocka_unit_test(test_format),
		cmocka_unit_test(test_escape),	    cmocka_unit_test(test_unescape),
		cmocka_unit_test(test_escape_cuts), cmocka_unit_test(test_distance),
		cmocka_unit_test(test_nearest),	    cmocka_unit_test(test_is_name),
		cmocka_unit_test(test_hex_digit),   cmocka_unit_test(test_error),
		cmocka_unit_test(test_error_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
