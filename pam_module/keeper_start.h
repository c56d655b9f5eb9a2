/*
 * keeper_start.h - start carrel-keeper from inside somebody else's process.
 */
#ifndef CARREL_PAM_KEEPER_START_H
#define CARREL_PAM_KEEPER_START_H

#include <stddef.h>

/* What the new process sends over the answer socket when it could not become the keeper. */
#define START_ERROR_WORD "FAILED\n"
struct start_error {
	char word[sizeof(START_ERROR_WORD)];
	int step; /* enum start_step */
	int code; /* positive errno */
};

/*
 * Start CARREL_KEEPER with `argv`, as core/wire.h section 1 describes: its descriptor 3 is `answer_fd`, 4 is
 * `opener_fd`. Returns 0 when a process is on its way, which then says more over the socket, or -errno.
 */
int keeper_start(const char *const argv[], int answer_fd, int opener_fd);

/* Put what a struct start_error says in words. */
void start_error_text(const struct start_error *error, char *text, size_t size);

#endif
