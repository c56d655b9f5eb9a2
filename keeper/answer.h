/*
 * answer.h - the keeper's one answer to the PAM module (core/wire.h, section 1).
 */
#ifndef CARREL_ANSWER_H
#define CARREL_ANSWER_H

#include "keeper.h"

/* READY and the id, with the network namespace to join when the policy says so. -errno: nobody listens any more. */
int answer_ready(struct keeper *k, struct carrel_error *err);

/* IGNORE, with why the user is not covered: the login goes on without a sandbox. */
void answer_ignore(const char *why);

/* REFUSE, with words for the user and for the log (which has the user's name already). */
void answer_refuse(const struct keeper *k, const struct carrel_error *err);

/* GONE for r >= 0, else REFUSE. Returns the exit status. */
int answer_gone(int r, const struct carrel_error *err);

#endif
