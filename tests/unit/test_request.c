/* test_request.c - shell/request.c: which command lines are a login shell's, and what of them goes inside. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "shell/request.h"

#define ARGV(...) ((char *[]){ __VA_ARGS__, NULL })

static enum arguments_kind parse(char **argv, struct arguments *args)
{
	int argc = 0;

	while (argv[argc])
		argc++;
	return arguments_parse(argc, argv, args);
}

static void test_accepted(void **state)
{
	struct arguments args;

	assert_int_equal(parse(ARGV("carrel-shell"), &args), ARGUMENTS_RUN);
	assert_false(args.login);
	assert_null(args.command);
	assert_int_equal(parse(ARGV("-carrel-shell"), &args), ARGUMENTS_RUN);
	assert_true(args.login);
	assert_int_equal(parse(ARGV("carrel-shell", "-l"), &args), ARGUMENTS_RUN);
	assert_true(args.login);
	assert_int_equal(parse(ARGV("carrel-shell", "--login"), &args), ARGUMENTS_RUN);
	assert_true(args.login);
	assert_int_equal(parse(ARGV("carrel-shell", "-c", "ls"), &args), ARGUMENTS_RUN);
	assert_false(args.login);
	assert_string_equal(args.command[0], "ls");
	assert_null(args.command[1]);
}

static void test_command_with_login(void **state)
{
	char **lines[] = { ARGV("sh", "-lc", "ls", "name"), ARGV("sh", "-cl", "ls", "name"),
			   ARGV("sh", "-l", "-c", "ls", "name"), ARGV("sh", "--login", "-c", "ls", "name"),
			   ARGV("-sh", "-c", "ls", "name") };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct arguments args;
		assert_int_equal(parse(lines[i], &args), ARGUMENTS_RUN);
		assert_true(args.login);
		assert_string_equal(args.command[0], "ls");
		assert_string_equal(args.command[1], "name");
	}
}

/* What follows CMD is the command's, whatever it looks like. */
static void test_arguments_of_the_command(void **state)
{
	struct arguments args;

	assert_int_equal(parse(ARGV("sh", "-c", "echo $1", "--help", "-x"), &args), ARGUMENTS_RUN);
	assert_string_equal(args.command[2], "-x");
	assert_int_equal(parse(ARGV("sh", "-c", "--help"), &args), ARGUMENTS_RUN);
	assert_string_equal(args.command[0], "--help");
}

static void test_help_and_version(void **state)
{
	struct arguments args;

	assert_int_equal(parse(ARGV("sh", "--help"), &args), ARGUMENTS_HELP);
	assert_int_equal(parse(ARGV("sh", "--version"), &args), ARGUMENTS_VERSION);
	assert_int_equal(parse(ARGV("sh", "--version", "-l"), &args), ARGUMENTS_WRONG);
}

static void test_refused(void **state)
{
	char **lines[] = { ARGV("sh", "-c"),	 ARGV("sh", "-x"),	    ARGV("sh", "script"),
			   ARGV("sh", "-"),	 ARGV("sh", "--"),	    ARGV("sh", ""),
			   ARGV("sh", "-lx"),	 ARGV("sh", "-ll"),	    ARGV("sh", "-lcx", "ls"),
			   ARGV("sh", "--logi"), ARGV("sh", "-l", "extra"), ARGV("sh", "-i") };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct arguments args;
		assert_int_equal(parse(lines[i], &args), ARGUMENTS_WRONG);
	}
}

/* Under ForceCommand what was asked for is in SSH_ORIGINAL_COMMAND. */
static void test_forced(void **state)
{
	static char self[] = CARREL_SHELL, spaced[] = " \t" CARREL_SHELL " \n";
	char **lines[] = { ARGV("carrel-shell", "-c", self), ARGV("carrel-shell", "-c", spaced),
			   ARGV("carrel-shell") };
	char *asked[] = { "ls -l", NULL }, *empty[] = { "", NULL }, *nothing[] = { NULL, NULL };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct arguments args;
		assert_int_equal(parse(lines[i], &args), ARGUMENTS_RUN);
		arguments_forced(&args, asked);
		assert_ptr_equal(args.command, asked);
		assert_false(args.login);

		parse(lines[i], &args);
		arguments_forced(&args, empty); /* an empty command is one: it does nothing */
		assert_ptr_equal(args.command, empty);

		parse(lines[i], &args);
		arguments_forced(&args, nothing);
		assert_null(args.command);
		assert_true(args.login);
	}
}

/* A command line that says what is meant is not changed by a variable. */
static void test_not_forced(void **state)
{
	static char self[] = CARREL_SHELL, longer[] = CARREL_SHELL "x", option[] = CARREL_SHELL " -l",
		    exec[] = "exec " CARREL_SHELL;
	char **lines[] = { ARGV("-carrel-shell"),
			   ARGV("carrel-shell", "-l"),
			   ARGV("carrel-shell", "-c", "ls"),
			   ARGV("carrel-shell", "-c", ""),
			   ARGV("carrel-shell", "-c", longer),
			   ARGV("carrel-shell", "-c", option),
			   ARGV("carrel-shell", "-c", exec),
			   ARGV("carrel-shell", "-c", self, "name") };
	char *asked[] = { "id", NULL };

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct arguments before, after;
		assert_int_equal(parse(lines[i], &before), ARGUMENTS_RUN);
		after = before;
		arguments_forced(&after, asked);
		assert_ptr_equal(after.command, before.command);
		assert_int_equal(after.login, before.login);
	}
}

/* The request's strings, in order, against `want` (NULL-terminated). */
static void assert_strings(const struct request *request, char **want)
{
	size_t at = 0;

	for (; *want; want++) {
		assert_true(at < request->head.size);
		assert_string_equal(request->strings + at, *want);
		at += strlen(*want) + 1;
	}
	assert_int_equal(at, request->head.size);
}

static void build(char **command, bool login, char **environment, struct request *request)
{
	const struct arguments args = { .login = login, .command = command };

	assert_int_equal(request_build(&args, environment, request, NULL), 0);
	assert_int_equal(request->head.magic, WIRE_MAGIC);
}

static void test_layout(void **state)
{
	struct request request;

	build(ARGV("ls -l", "name", ""), false, ARGV("TERM=vt100", "LC_ALL=C"), &request);
	assert_int_equal(request.head.argc, 4);
	assert_int_equal(request.head.envc, 2);
	assert_int_equal(request.head.flags, 0);
	assert_strings(&request, ARGV("-c", "ls -l", "name", "", "TERM=vt100", "LC_ALL=C", ""));
	request_clear(&request);

	build(NULL, true, ARGV(NULL), &request);
	assert_int_equal(request.head.argc, 0);
	assert_int_equal(request.head.envc, 0);
	assert_int_equal(request.head.flags, WIRE_LOGIN);
	assert_strings(&request, ARGV(""));
	request_clear(&request);
}

static void test_environment_filter(void **state)
{
	char **environment = ARGV("PATH=/evil", "HOME=/home/u", "LD_PRELOAD=/x.so", "LD_=x",
				  "CARREL_SESSION=1-0", "SSH_TTY=/dev/pts/0", "SSH_AUTH_SOCK=/tmp/x",
				  "XDG_RUNTIME_DIR=/run", "SHELL=x", "USER=u", "LOGNAME=u", "MAIL=/m",
				  "PWD=/", "_=/bin/env", "novalue", "=empty", "1A=x", "A-B=x",
				  "BASH_FUNC_f%%=() {", "A B=x", "\xc3\x84=x", "PATHS=kept",
				  "SSH_CONNECTION=a b", "TZ=", "_x9=a=b\n\x01", "lang=x");
	struct request request;

	build(NULL, false, environment, &request);
	assert_strings(&request,
		       ARGV("PATHS=kept", "SSH_CONNECTION=a b", "TZ=", "_x9=a=b\n\x01", "lang=x", ""));
	assert_int_equal(request.head.envc, 5);
	request_clear(&request);
}

/* carrel-shell's own entries go in unfiltered; the same names from its environment do not. */
static void test_offers(void **state)
{
	static char own[] = WIRE_COOKIE "=00ff", forged[] = WIRE_COOKIE "=11";
	const struct arguments args = { .offers = ARGV("DISPLAY=localhost:10.0", own) };
	char **environment = ARGV("DISPLAY=:0", forged, "XAUTHORITY=/x", "TERM=x");
	struct request request;

	assert_int_equal(request_build(&args, environment, &request, NULL), 0);
	assert_int_equal(request.head.envc, 3);
	assert_strings(&request, ARGV("DISPLAY=localhost:10.0", own, "TERM=x", ""));
	request_clear(&request);
}

static char *filled(const char *start, size_t length)
{
	char *text = malloc(length + 1);

	memset(text, 'x', length);
	memcpy(text, start, strlen(start));
	text[length] = '\0';
	return text;
}

/* A variable that does not fit is left out; the ones after it and the working directory are not. */
static void test_environment_too_large(void **state)
{
	_cleanup_free_ char *big = filled("BIG=", 200 * 1024), *other = filled("OTHER=", 100 * 1024);
	char *many[REQUEST_ENV_MAX + 50];
	struct request request;

	build(NULL, false, ARGV(big, other, "TERM=x"), &request);
	assert_strings(&request, ARGV(big, "TERM=x", ""));
	request_clear(&request);

	for (size_t i = 0; i < ARRAY_SIZE(many); i++)
		many[i] = "A=1";
	many[ARRAY_SIZE(many) - 1] = NULL;
	build(NULL, false, many, &request);
	assert_int_equal(request.head.envc, REQUEST_ENV_MAX);
	assert_int_equal(request.head.size, REQUEST_ENV_MAX * 4 + 1);
	request_clear(&request);
}

/* A command is never cut. */
static void test_command_too_long(void **state)
{
	_cleanup_free_ char *fits = filled("", WIRE_PAYLOAD_MAX - 5),
			    *over = filled("", WIRE_PAYLOAD_MAX - 4);
	struct carrel_error err = { 0 };
	struct request request;
	struct arguments args = { .command = ARGV(fits) };

	assert_int_equal(request_build(&args, ARGV("TERM=x"), &request, &err), 0);
	assert_int_equal(request.head.size, WIRE_PAYLOAD_MAX);
	assert_int_equal(request.head.envc, 0);
	request_clear(&request);

	args.command = ARGV(over);
	assert_int_equal(request_build(&args, ARGV("TERM=x"), &request, &err), -E2BIG);
	assert_string_equal(err.msg, "the command is too long");
	assert_null(request.strings);
}

static void test_command_too_many(void **state)
{
	static char *words[WIRE_STRINGS_MAX + 1];
	struct arguments args = { .command = words };
	struct request request;

	for (size_t i = 0; i < WIRE_STRINGS_MAX; i++)
		words[i] = "x";
	assert_int_equal(request_build(&args, ARGV("A=1"), &request, NULL), -E2BIG);
	/* With all the environment there can be, the count stays within what init accepts. */
	words[WIRE_STRINGS_MAX - REQUEST_ENV_MAX - 2] = NULL;
	assert_int_equal(request_build(&args, ARGV("A=1"), &request, NULL), 0);
	assert_true(request.head.argc + REQUEST_ENV_MAX + 1 <= WIRE_STRINGS_MAX);
	request_clear(&request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_command_with_login),
		cmocka_unit_test(test_arguments_of_the_command),
		cmocka_unit_test(test_help_and_version),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_not_forced),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_environment_filter),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_environment_too_large),
		cmocka_unit_test(test_command_too_long),
		cmocka_unit_test(test_command_too_many),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
