/*
 * guard.h - hold a session to session.idle and session.lifetime, and know what goes on in it.
 *
 * Costs nothing while the session is used: the keeper sleeps until the session would be idle too long had nobody touched it since
 * it last looked. Only then it asks init, which asks the carrel-shells, which relay the terminals and know.
 */
#ifndef CARREL_GUARD_H
#define CARREL_GUARD_H

#include "rules.h"
#include "supervise.h"

/* Begin, by the policy. */
void guard_start(struct keeper *k);

/* The rules that hold, and others from now on. */
const struct session_rules *guard_rules(void);
void guard_change(struct keeper *k, const struct session_rules *set);

/* Answer CONTROL_STATUS on this connection, which becomes the guard's, as soon as init has answered. */
void guard_status(struct keeper *k, int fd);

/* How long the session has been open, in milliseconds. */
int64_t guard_age(void);

/* After supervise(): what the guard ended the session for, in words for its users. "": it was not the guard. */
const char *guard_reason(void);

#endif
