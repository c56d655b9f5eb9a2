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
#include <sys/types.h>

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
 * Run it to its end. `tick`, or NULL, is called a few times a second, and returns 0, or -errno to have it killed. Returns its
 * exit status, or -errno when it could not be run, was killed, or a signal came (it is then killed). Unless it is 0, the last line that it wrote
 * to standard error is in `err`.
 */
int confine_run(const struct confine *confine, struct progress *progress,
		int (*tick)(void *arg, struct carrel_error *err), void *arg, struct carrel_error *err);

/*
 * For a child that confines itself, in this order.
 *
 * confine_fork: fork(2) into PID, IPC and UTS namespaces of its own, and unless `network` one without a network. It sees and
 * can signal no process but its own, and is PID 1 there: when it ends, so do all that it has started. 0 in the child, in the
 * parent its pid, with *pidfd (CLOEXEC, the caller's to close), or -errno.
 *
 * confine_die_with_parent: be killed when the parent dies. `pipe_fd` is the writing end of a pipe of which the parent alone has
 * the reading end: the parent's pid says nothing in a PID namespace, but a reader that is gone shows. 0, or -errno when it
 * is dead already.
 *
 * confine_reset_signals: as in a fresh program. confine_limit_resources: bytes of memory and of a file, no core dump.
 * confine_drop_capabilities: all but `kept`, proven.
 */
pid_t confine_fork(bool network, int *pidfd, struct carrel_error *err);
int confine_die_with_parent(int pipe_fd);
void confine_reset_signals(void);
int confine_limit_resources(uint64_t memory_max, uint64_t file_max, struct carrel_error *err);
int confine_drop_capabilities(const cap_value_t *kept, int count, struct carrel_error *err);

#endif
