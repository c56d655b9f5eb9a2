/*
 * init.h - PID 1 of a sandbox: a clone of the keeper that never execs.
 *
 * It runs as uid 0 of the session's user namespace (on the host an unprivileged id), furnishes the sandbox, gives
 * up what it no longer needs, and then starts the user's processes on request. After the pivot it calls nothing
 * that reads the rootfs behind its back: no getpw*, no dlopen, no locale, timezone or syslog.
 */
#ifndef CARREL_INIT_H
#define CARREL_INIT_H

#include "keeper.h"

/* Everything PID 1 does. `sync_fd` is its end of the socket to the keeper. */
_Noreturn void init_main(struct keeper *k, int sync_fd);

/* init_mounts.c: from the template to the sandbox's own tree, pivot and masks included. 0 or -errno. */
int init_mount_all(struct keeper *k, struct carrel_error *err);

/* init_binds.c: what the policy binds, below rootfs_fd. 0 or -errno. */
int init_mount_binds(const struct keeper *k, struct carrel_error *err);

/* Where the user's home is inside. Writes to buf and returns it. */
const char *init_home(const struct keeper *k, char *buf, size_t size);

/* init_accounts.c: passwd, shadow and group lines for login_as = "user", in the rootfs. 0 or -errno. */
int init_add_account(const struct keeper *k, struct carrel_error *err);

/* init_limits.c: give up what PID 1 and everything after it will not need. 0 or -errno. */
int init_forbid_namespaces(struct carrel_error *err);
int init_raise_files(struct keeper *k, struct carrel_error *err);
int init_drop_capabilities(uint64_t keep, struct carrel_error *err);

/* All that a process has kept beyond its change of uid. 0 or -errno. */
int init_drop_kept(void);

#endif
