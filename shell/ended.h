/*
 * ended.h - why the session ended, when init is not there to say it.
 */
#ifndef CARREL_SHELL_ENDED_H
#define CARREL_SHELL_ENDED_H

#include <stddef.h>

/* Hold the session's file SESSION_ENDED open. `id` is valid. Without it there will be no reason. */
void ended_open(const char *id);

/*
 * Wait a moment for the keeper to say why, or to be done without. `text` gets its one line. Returns text, or `otherwise`.
 */
const char *ended_reason(char *text, size_t size, const char *otherwise);

#endif
