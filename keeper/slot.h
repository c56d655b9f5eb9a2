/*
 * slot.h - the session's place: state directory of the user, lock, count, record, sockets.
 */
#ifndef CARREL_SLOT_H
#define CARREL_SLOT_H

#include "keeper.h"

/*
 * Open (making them if needed) CARREL_USERS/UID and take the user's lock; it is held until slot_unlock. A
 * state directory left by another account with the same uid (account.h) is kept aside: nobody inherits a
 * stranger's files. Sets users_fd, user_fd, lock_fd, ids. 0 or -errno.
 */
int slot_lock_user(struct keeper *k, struct carrel_error *err);
void slot_unlock(struct keeper *k);

/*
 * With the lock held: remove what dead keepers left of this user, refuse with -EUSERS when session.max are
 * open, then make CARREL_SESSIONS/ID with record (locked) and the two listening sockets.
 */
int slot_open(struct keeper *k, struct carrel_error *err);

/*
 * Make CARREL_SESSIONS/ID under a name that no session has, which goes to `id`: "" when nothing was made, and so there is
 * nothing to remove. Descriptor (O_PATH) or -errno.
 */
int slot_make_directory(uid_t uid, char id[SESSION_ID_MAX], struct carrel_error *err);

/* In CARREL_SESSIONS/ID: the session's last line in syslog is written, see ending.h. */
#define SLOT_REPORTED "reported"

/* Remove CARREL_SESSIONS/ID. The record goes last: while it is there and locked, the session counts as live. */
int slot_remove(const char *id, struct carrel_error *err);

/*
 * Why the session ends, in words for its users, for a carrel-shell that init could not tell. Left in SESSION_ENDED, which
 * carrel-shell holds open, and so can read when slot_remove has removed it.
 */
void slot_note_end(const char *why);

/*
 * Remove all traces of session `id`, whose processes are dead: cgroup, directory, and the user's overlay when no
 * session of theirs is left. The user's lock is held by the caller.
 */
int slot_clear(const char *id, struct cgroup_tree **cgroups, int timeout_ms, struct carrel_error *err);

/* The same for a session whose keeper was killed, which is logged. */
int slot_clear_stale(const char *id, struct cgroup_tree **cgroups, int timeout_ms, struct carrel_error *err);

#endif
