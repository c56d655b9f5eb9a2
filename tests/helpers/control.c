/* control.c - says a word to the keeper of a session and prints its answer: control ID WORD. Exit status 0, or 1. */
#include <stdio.h>

#include "core/session.h"
#include "core/wire.h"

int main(int argc, char **argv)
{
	struct carrel_error err = { 0 };
	char answer[CONTROL_MAX];

	if (argc != 3)
		return 2;
	if (session_ask(argv[1], argv[2], answer, sizeof(answer), 5000, &err) < 0) {
		fprintf(stderr, "control: %s\n", err.msg);
		return 1;
	}
	return fputs(answer, stdout) < 0;
}
