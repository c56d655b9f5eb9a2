/*
 * confine.h - running a program of the host on data that nobody vouches for, where it can hurt nothing.
 *
 * Its root is an empty tmpfs with the host's programs and libraries read-only, and what it is given; it has no
 * capability, no device, no process but its own, no /proc, and no network unless it is asked for.
 */
#ifndef CARREL_CTL_CONFINE_H
#define CARREL_CTL_CONFINE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/capability.h>

#include "core/error.h"
#include "progress.h"

#define CONFINE_SOURCE "/carrel-source"
#define CONFINE_WORK   "/carrel-work"

struct confine {
	const char *program;	 /* its name: "skopeo", or where it is, below /usr or /bin */
	const char *package;	 /* that has it, in Debian */
	const char *const *argv; /* argv[0] too; NULL at the end */
	const char *const *env;	 /* likewise; or NULL for none */
	const char *const
		*extras;   /* further paths of the host it can read; those that are missing are left out */
	int source_fd;	   /* O_PATH, a file or a directory: read-only at CONFINE_SOURCE; or -1 */
	int work_fd;	   /* a directory: writable at CONFINE_WORK; or -1 */
	int stdout_fd;	   /* or -1: thrown away */
	uint64_t file_max; /* bytes that a file of it may have */
	bool network;	   /* the host's; else none */
};

/*
 * Run it to its end. `tick`, or NULL, is called a few times a second. Returns its exit status, or -errno when it
 * could not be run, was killed, or a signal came (it is then killed). Unless it is 0, the last line that it wrote
 * to standard error is in `err`.
 */
int confine_run(const struct confine *confine, struct progress *progress, void (*tick)(void *arg), void *arg,
		struct carrel_error *err);

/* For a child that confines itself: signals as in a fresh program, and of the capabilities only `kept`, proven. */
void confine_reset_signals(void);
int confine_drop_capabilities(const cap_value_t *kept, int count, struct carrel_error *err);

#endif
