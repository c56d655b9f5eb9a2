/*
 * request.c - see request.h. Pure: decides from argv and the environment, touches nothing else.
 *
 * Runs in carrel-shell, as the user, on the host.
 */
#include "shell/request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/paths.h"

/* Letters of one option word: c and l, each at most once. 0 when the word is something else. */
enum { OPTION_COMMAND = 1, OPTION_LOGIN = 2 };

static int option_letters(const char *word)
{
	int seen = 0;

	if (*word++ != '-')
		return 0;
	for (; *word; word++) {
		int option = *word == 'c' ? OPTION_COMMAND : *word == 'l' ? OPTION_LOGIN : 0;
		if (!option || seen & option)
			return 0;
		seen |= option;
	}
	return seen;
}

enum arguments_kind arguments_parse(int argc, char **argv, struct arguments *args)
{
	*args = (struct arguments){ .login = argc > 0 && argv[0][0] == '-' };
	for (int i = 1; i < argc; i++) {
		int options = option_letters(argv[i]);

		if (i == 1 && argc == 2 && strcmp(argv[i], "--help") == 0)
			return ARGUMENTS_HELP;
		if (i == 1 && argc == 2 && strcmp(argv[i], "--version") == 0)
			return ARGUMENTS_VERSION;
		if (!options && strcmp(argv[i], "--login") != 0)
			return ARGUMENTS_WRONG;
		if (options != OPTION_COMMAND)
			args->login = true;
		if (options & OPTION_COMMAND) {
			if (i + 1 == argc)
				return ARGUMENTS_WRONG;
			args->command = argv + i + 1;
			return ARGUMENTS_RUN; /* whatever follows is the inner shell's */
		}
	}
	return ARGUMENTS_RUN;
}

/* Whether a command is carrel-shell by its installed path and nothing else. */
static bool is_self(const char *command)
{
	static const char space[] = " \t\r\n", self[] = CARREL_SHELL;

	command += strspn(command, space);
	if (strncmp(command, self, sizeof(self) - 1) != 0)
		return false;
	command += sizeof(self) - 1;
	return command[strspn(command, space)] == '\0';
}

void arguments_forced(struct arguments *args, char **original)
{
	bool forced = args->command ? is_self(args->command[0]) && !args->command[1] : !args->login;

	if (!forced)
		return;
	args->command = *original ? original : NULL;
	args->login = args->login || !*original;
}

/*
 * Names that say something about the host, or that act on a program: they mean nothing inside and are not even
 * offered. This is not the gate. The gate is in init, which takes only the variables it knows and those the
 * policy names; carrel-shell cannot read the policy, so it offers all the rest. A name with a '*' is a prefix.
 */
static const char *const of_the_host[] = {
	"CARREL_*", "LD_*",  "GLIBC_*", "MALLOC_*",	 "XDG_*",   "DBUS_*",	  "HOME",
	"PATH",	    "USER",  "LOGNAME", "SHELL",	 "MAIL",    "PWD",	  "OLDPWD",
	"_",	    "SHLVL", "SSH_TTY", "SSH_AUTH_SOCK", "DISPLAY", "XAUTHORITY",
};

static bool name_matches(const char *pattern, const char *name, size_t length)
{
	size_t n = strcspn(pattern, "*");

	return (pattern[n] ? length >= n : length == n) && strncmp(pattern, name, n) == 0;
}

/* Whether "NAME=value" may be offered: the name as shells and POSIX allow it, and none of the host's. */
static bool variable_offered(const char *variable)
{
	size_t length = strcspn(variable, "=");

	if (variable[length] != '=' || length == 0 || (*variable >= '0' && *variable <= '9'))
		return false;
	for (size_t i = 0; i < length; i++) {
		char c = variable[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_the_host); i++) {
		if (name_matches(of_the_host[i], variable, length))
			return false;
	}
	return true;
}

/* Append a string with its NUL. False when it does not fit, with `reserve` bytes kept free behind it. */
static bool append(struct request *request, const char *string, size_t reserve)
{
	size_t length = strlen(string) + 1;

	if (length > WIRE_PAYLOAD_MAX - reserve - request->head.size)
		return false;
	memcpy(request->strings + request->head.size, string, length);
	request->head.size += (uint32_t)length;
	return true;
}

/* "-c" and what followed it, as arguments of the inner shell. */
static bool append_command(struct request *request, char **command)
{
	if (!command)
		return true;
	if (!append(request, "-c", 1))
		return false;
	request->head.argc = 1;
	for (; *command; command++) {
		if (request->head.argc == WIRE_STRINGS_MAX - REQUEST_ENV_MAX - 1 ||
		    !append(request, *command, 1))
			return false;
		request->head.argc++;
	}
	return true;
}

int request_build(const struct arguments *args, char **environment, struct request *request,
		  struct carrel_error *err)
{
	*request = (struct request){ .head = { .magic = WIRE_MAGIC, .flags = args->login ? WIRE_LOGIN : 0 } };
	request->strings = malloc(WIRE_PAYLOAD_MAX);
	if (!request->strings)
		return error_set(err, ENOMEM, "out of memory");
	if (!append_command(request, args->command)) {
		request_clear(request);
		return error_set(err, E2BIG, "the command is too long");
	}
	for (char **offer = args->offers; offer && *offer; offer++)
		request->head.envc += append(request, *offer, 1);
	for (char **variable = environment; *variable && request->head.envc < REQUEST_ENV_MAX; variable++)
		request->head.envc += variable_offered(*variable) && append(request, *variable, 1);
	append(request, "",
	       0); /* no working directory: the host's means nothing inside, init takes the home */
	return 0;
}

void request_clear(struct request *request)
{
	free(request->strings);
	request->strings = NULL;
}
