/*
 * program.h - run a program of the host, such as mkfs.ext4, and wait for it.
 */
#ifndef CARREL_PROGRAM_H
#define CARREL_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

/*
 * Run argv[0], a path or looked for in /usr/sbin, /sbin, /usr/bin and /bin, in the directory `cwd_fd`, with PATH and LC_ALL=C as
 * its whole environment and no descriptor of ours. It is killed after timeout_ms, and when the calling process dies.
 * Returns its exit status, with the first line it printed as err's message when that is not 0; -ENOENT when there is no such
 * program, -ETIMEDOUT, or -errno.
 */
int program_run(char *const argv[], int cwd_fd, int timeout_ms, struct carrel_error *err);

/* The same, with all it prints, errors too, in `text`: what does not fit is cut off. */
int program_read(char *const argv[], int cwd_fd, int timeout_ms, char *text, size_t size,
		 struct carrel_error *err);

/* The path of a program; an absolute one is left as it is. 0 or -ENOENT. */
#define PROGRAM_PATH_MAX 64
int program_find(const char *name, char path[PROGRAM_PATH_MAX]);

/* Whether there is such a program. */
bool program_exists(const char *name);

#endif
