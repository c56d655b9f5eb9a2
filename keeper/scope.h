/*
 * scope.h - the place of Carrel under systemd: one delegated scope that all keepers and sessions are in.
 *
 *	carrel.slice
 *	   └─ carrel-sessions.scope	made by the first keeper, ended by systemd after the last
 *	         ├─ keepers		the keepers, since version 2 has processes in leaves only
 *	         └─ UID/ID		the sessions (core/cgroup.h)
 *
 * A keeper starts in the group of whoever opened the session: sshd's service, or the session's scope of logind, which kills
 * all that is in it at the logout when KillUserProcesses=yes. Out of there it lives to clean up.
 */
#ifndef CARREL_SCOPE_H
#define CARREL_SCOPE_H

#include "keeper.h"

#define SCOPE_UNIT    "carrel-sessions.scope"
#define SCOPE_KEEPERS "keepers"

/*
 * Be in the scope's leaf, making the scope if there is none; nothing where systemd manages no groups. Within three
 * quarters of request.timeout. 0 or -errno.
 *
 * May return in a child of the caller, which has then ended: cloning into a group is far quicker than moving to it. So
 * before anything remembers this process' pid. Sets scope_fd.
 */
int scope_enter(struct keeper *k, struct carrel_error *err);

/* From here on newcomers do not rely on this keeper: it is ending, and the scope may be. */
void scope_leave(struct keeper *k);

/*
 * scope_bus.c: ask systemd to put `pid` into the scope, which it makes if there is none, or into its leaf. An ended scope that
 * is not gone yet, and a systemd that does not answer, are waited for until timeout_ms have passed. 0 or -errno; the
 * process is moved a moment later.
 */
int scope_bus_join(pid_t pid, int timeout_ms, struct carrel_error *err);

#endif
