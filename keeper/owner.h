/*
 * owner.h - which account the state of a uid belongs to, and what becomes of that of another one. With the user's lock held.
 */
#ifndef CARREL_OWNER_H
#define CARREL_OWNER_H

#include "core/state.h"
#include "keeper.h"

/*
 * Whether the state (user_fd) is this account's, which is remembered at its first login. 0: it is. 1: it is another account's, of
 * `owner`. Or -errno.
 */
int owner_check(const struct keeper *k, struct state_owner *owner, struct carrel_error *err);

/*
 * Keep the state of `owner`, another account, aside, with its history of faults, and log that. No session uses it. The state directory
 * of the uid is gone then. 0 or -errno.
 */
int owner_keep_aside(const struct keeper *k, const struct state_owner *owner, struct carrel_error *err);

#endif
