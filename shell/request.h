/*
 * request.h - what carrel-shell asks init to run: its own arguments and environment, as core/wire.h sends them.
 */
#ifndef CARREL_SHELL_REQUEST_H
#define CARREL_SHELL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"
#include "core/wire.h"

enum arguments_kind {
	ARGUMENTS_RUN,
	ARGUMENTS_HELP,
	ARGUMENTS_VERSION,
	ARGUMENTS_WRONG,
};

struct arguments {
	bool login;
	char **command; /* CMD [NAME [ARG...]] of -c, NULL-terminated, borrowed from argv; NULL: interactive */
	char **offers;	/* environment entries of carrel-shell's own, NULL-terminated, borrowed; NULL: none */
};

/*
 * Read the command line of a login shell: nothing, -l, --login, -c CMD [NAME [ARG...]], -lc CMD, and a '-' in front
 * of argv[0], which is how sshd and login ask for a login shell.
 */
enum arguments_kind arguments_parse(int argc, char **argv, struct arguments *args);

/*
 * What the client asked for, where sshd's ForceCommand has put carrel-shell in its place. `original` is { the value of
 * SSH_ORIGINAL_COMMAND or NULL, NULL }, borrowed.
 *
 * sshd then runs SHELL -c CARREL_SHELL, with the command or subsystem that was asked for in SSH_ORIGINAL_COMMAND; the
 * variable is not set when that was a login shell. With carrel-shell as SHELL its command is carrel-shell itself; with
 * another one (forced_command_ok) it is started without arguments. It becomes `-c ORIGINAL`, or a login shell. Any
 * other command line says itself what is meant, and stays.
 */
void arguments_forced(struct arguments *args, char **original);

/* Room left to the command line: environment variables past this many are not sent. */
#define REQUEST_ENV_MAX 512

struct request {
	struct wire_request head;
	char *strings; /* head.size bytes */
};

/*
 * Build the request. Variables that belong to the host, and those that do not fit, are left out; see
 * request.c for which. The caller fills in head.window and head.termios. -E2BIG: the command is too long.
 * Free the strings with request_clear; the head stays.
 */
int request_build(const struct arguments *args, char **environment, struct request *request,
		  struct carrel_error *err);

void request_clear(struct request *request);

#endif
