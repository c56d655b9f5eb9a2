/*
 * vault.h - a user's files while a session uses them: their overlay in the vault (pinned.h), at /UID.
 */
#ifndef CARREL_VAULT_H
#define CARREL_VAULT_H

#include <sys/types.h>

#include "error.h"

/* Unmount the user's overlay: no session of theirs is left and the lock is held. Not mounted is success. */
int vault_release(uid_t uid, struct carrel_error *err);

/*
 * Open the user's state directory as the vault has it, or their whole root filesystem (the overlay; without the home). O_RDONLY
 * descriptor, -ENOENT: not mounted, or -errno.
 */
int vault_open_state(uid_t uid, struct carrel_error *err);
int vault_open_rootfs(uid_t uid, struct carrel_error *err);

#endif
