/*
 * ceiling.h - which limits a session gets, and its groups with them (core/cgroup.h): also while `carrelctl set` and `apply` change
 * them.
 *
 * The policy is read without a lock, since it says whether this login is of any concern to us. `set` holds the user's lock, and a login
 * that waits for it finds other limits then. After its own turn with the lock a login still writes limits of the user's groups (on
 * version 1) and files. To hold the lock for so long would make logins of one user wait for each other; instead the login looks at the
 * end whether somebody has changed limits meanwhile (core/override.h), which hardly ever is so, and then brings all to what holds by
 * now, with the lock.
 */
#ifndef CARREL_CEILING_H
#define CARREL_CEILING_H

#include "keeper.h"

/* With the user's lock: what `set` has changed comes over the config, which is read again if `apply` has done so. 0 or -errno. */
int ceiling_decide(struct keeper *k, struct carrel_error *err);

/* Make the session's group, and those above where they are missing, with their limits. 0 or -errno. */
int ceiling_make(struct keeper *k, struct carrel_error *err);

/*
 * Without the lock, after READY from init and before any process of the user's: the limits of disk and files hold exactly from here on
 * (rootfs_settle), and all limits are those that hold now. 0 or -errno.
 */
int ceiling_settle(struct keeper *k, struct carrel_error *err);

#endif
