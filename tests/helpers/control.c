/* control.c - says a word to the keeper of a session and prints its answer: control ID WORD. Exit status 0, or 1. */
#include <stdio.h>
#include <string.h>

#include "core/session.h"
#include "core/wire.h"

int main(int argc, char **argv)
{
	struct carrel_error err = { 0 };
	char answer[CONTROL_MAX];

	if (argc != 3)
		return 2;
	if (strcmp(argv[2], CONTROL_STATUS) == 0) {
		struct session_status status;
		if (session_status(argv[1], &status, 5000, &err) == 0 &&
		    session_status_format(answer, sizeof(answer), &status) > 0)
			return fputs(answer, stdout) < 0;
		fprintf(stderr, "control: %s\n", err.msg);
		return 1;
	}
	if (session_ask(argv[1], argv[2], answer, sizeof(answer), 5000, &err) < 0) {
		fprintf(stderr, "control: %s\n", err.msg);
		return 1;
	}
	return fputs(answer, stdout) < 0;
}
