/*
 * seccomp.h - the sandbox's system-call filter. The policy, and its reasons, are in tools/seccomp_gen.c.
 */
#ifndef CARREL_SECCOMP_H
#define CARREL_SECCOMP_H

#include "core/error.h"

/*
 * Put the calling thread, and all it will ever start, under the filter, for good.
 *
 * Called in init, the sandbox's PID 1, for a policy with seccomp = "default".
 * Needs: CAP_SYS_ADMIN in the caller's user namespace (or no_new_privs, which this does not set: with it su
 *     and every other setuid program of the rootfs would stop working). A single thread.
 * Leaves: every process of the sandbox under one filter, init too. Nothing inside can take it off, and a
 *     filter that a program adds for itself can only forbid more.
 * Why there: after the mounts, the pivot and the namespaces, all of which it refuses; before capabilities are
 *     dropped, since afterwards the right to load it is gone; before the first process of the user's.
 *
 * Under the filter RLIMIT_CORE stays as the keeper has set it: setting it reports success and changes nothing.
 *
 * Returns 0, or -errno with a message: then the session must be refused.
 */
int seccomp_load(struct carrel_error *err);

#endif
