/* test_pam_stack.c - where pam_carrel.so stands in a PAM service. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/pam_stack.h"

static const char *service;

static ssize_t read_text(const char *name, char *text, size_t size)
{
	const char *found = strcmp(name, "sshd") == 0	  ? service
			    : strcmp(name, "common") == 0 ? "session required pam_unix.so\n"
			    : strcmp(name, "ends") == 0	  ? "session sufficient pam_ldap.so\n"
			    : strcmp(name, "ours") == 0	  ? "session required pam_carrel.so conf=/a debug\n"
			    : strcmp(name, "loop") == 0	  ? "@include loop\n"
							  : NULL;

	return found ? snprintf(text, size, "%s", found) : -ENOENT;
}

static const struct pam_files files = { read_text };

static struct pam_place look(const char *text)
{
	struct pam_place place;

	service = text;
	assert_int_equal(pam_find_place(&files, "sshd", &place), 0);
	return place;
}

static void last_and_required(void **state)
{
	struct pam_place place = look("@include common\nauth required pam_x.so\n"
				      "-session\toptional pam_y.so\nsession required pam_carrel.so\n"
				      "password required pam_z.so\n# session required pam_late.so\n");

	assert_true(place.found);
	assert_string_equal(place.control, "required");
	assert_string_equal(place.module, "pam_carrel.so");
	assert_string_equal(place.ends, "");
	assert_string_equal(place.after, "");
	assert_string_equal(place.conf, "");
}

static void modules_that_close_in_the_sandboxs_network(void **state)
{
	struct pam_place place = look(
		"session optional pam_exec.so x\n@include ours\nsession optional pam_mount.so\n");

	assert_string_equal(place.exposed, "pam_exec.so");
	assert_false(place.leaves);
	place = look("session optional pam_carrel.so leave\nsession optional pam_exec.so x\n@include ours\n");
	assert_string_equal(place.exposed, "");
	assert_true(place.leaves);
	assert_true(place.found);
	assert_string_equal(place.control, "required");
	assert_string_equal(place.conf, "/a");
	/* Too late for one of them. */
	place = look("session optional pam_krb5.so\nsession optional pam_carrel.so leave\n@include ours\n");
	assert_string_equal(place.exposed, "pam_krb5.so");
	/* Alone it opens no session. */
	place = look("session optional pam_carrel.so leave\n");
	assert_false(place.found);
}

static void written_in_other_ways(void **state)
{
	struct pam_place place = look(
		"session [success=ok default=bad] \\\n /lib/pam_carrel.so debug conf=/x\n");

	assert_true(place.found);
	assert_string_equal(place.control, "[success=ok default=bad]");
	assert_string_equal(place.module, "/lib/pam_carrel.so");
	assert_string_equal(place.conf, "/x");
	assert_true(look("session include ours\n").found);
	assert_string_equal(look("session substack ours").conf, "/a");
}

static void missing(void **state)
{
	assert_false(look("").found);
	assert_false(look("account required pam_carrel.so\n#session required pam_carrel.so\n").found);
	assert_false(look("session required\nsession\n@include nowhere\n@include loop\n").found);
	struct pam_place place;
	assert_int_equal(pam_find_place(&files, "nowhere", &place), -ENOENT);
}

static void after(void **state)
{
	assert_string_equal(look("session required pam_carrel.so\n@include common\n").after, "pam_unix.so");
	assert_string_equal(
		look("session required pam_carrel.so\nsession optional a/pam_a.so\nsession optional b").after,
		"pam_a.so");
}

static void ended_before(void **state)
{
	static const char ours[] = "session required pam_carrel.so\n";
	char text[256];

	assert_string_equal(look("session sufficient pam_a.so\nsession required pam_carrel.so\n").ends,
			    "pam_a.so");
	snprintf(text, sizeof(text), "session [success=done default=ignore] pam_b.so\n%s", ours);
	assert_string_equal(look(text).ends, "pam_b.so");
	snprintf(text, sizeof(text), "@include ends\n%s", ours);
	assert_string_equal(look(text).ends, "pam_ldap.so");
	snprintf(text, sizeof(text), "session substack ends\n%s", ours); /* ends only itself */
	assert_string_equal(look(text).ends, "");
	snprintf(text, sizeof(text), "session [success=1 default=ignore] pam_c.so\nsession optional d\n%s",
		 ours);
	assert_string_equal(look(text).ends, "");
}

static void arguments(void **state)
{
	const struct pam_line line = { .arguments = "debug  user_readenv=1\tx" };

	assert_true(pam_has_argument(&line, "user_readenv=1"));
	assert_true(pam_has_argument(&line, "x"));
	assert_false(pam_has_argument(&line, "user_readenv"));
	assert_false(pam_has_argument(&line, "debu"));
}

static void wrong_arguments(void **state)
{
	assert_string_equal(look("session required pam_carrel.so\n").wrong, "");
	assert_string_equal(look("session required pam_carrel.so [conf=/a b] timeout=300\tdebug\n").wrong,
			    "");
	assert_string_equal(look("session required pam_carrel.so debug timeout=1m x\n").wrong, "timeout=1m");
	assert_string_equal(look("session required pam_carrel.so conf=etc\n").wrong, "conf=etc");
	assert_string_equal(look("session required pam_carrel.so [a b] x\n").wrong, "a b");
	/* Of another line it does not count. */
	assert_string_equal(
		look("session optional pam_a.so x\nsession optional pam_carrel.so leave x\n@include ours\n")
			.wrong,
		"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(last_and_required),
		cmocka_unit_test(written_in_other_ways),
		cmocka_unit_test(modules_that_close_in_the_sandboxs_network),
		cmocka_unit_test(missing),
		cmocka_unit_test(after),
		cmocka_unit_test(ended_before),
		cmocka_unit_test(wrong_arguments),
		cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
