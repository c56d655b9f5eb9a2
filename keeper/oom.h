/*
 * oom.h - whom the kernel's OOM killer takes first: the user's processes, and init and the keeper last.
 *
 * The keeper lowers its own oom_score_adj, and init is born with it. The user's processes must not have it: each asks (ask.h), while
 * it is still a copy of init, for the value that the keeper itself was started with, at least 0, and does not become a
 * command without it. It cannot help itself: its files in /proc belong to the root of the host, because it is not dumpable; and
 * what the keeper sets with CAP_SYS_RESOURCE is also the least that the process, and all that it starts, can ever set.
 *
 * Where the keeper has no CAP_SYS_RESOURCE (in a container) nothing can be lowered; then the user's processes are raised.
 *
 * Killed last and not never: of a session whose memory is full of files there is only init left, and one that cannot be
 * killed would wait for memory for ever.
 */
#ifndef CARREL_OOM_H
#define CARREL_OOM_H

#include "keeper.h"

/* Lower ourselves, as far as may be, and so init, which is not cloned yet. 0 or -errno. */
int oom_protect(struct keeper *k, struct carrel_error *err);

/* Set the value of a process of the sandbox. 0, -ESRCH when it is none (any more), or -errno. */
int oom_set(const struct keeper *k, pid_t pid);

#endif
