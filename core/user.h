/*
 * user.h - facts of a user from the host's NSS, gathered before any decision, never after a pivot.
 */
#ifndef CARREL_USER_H
#define CARREL_USER_H

#include "error.h"
#include "policy.h"

/* Look `name` up (getpwnam_r, getgrouplist). -ENOENT: no such user. Free with user_facts_clear. */
int user_facts_get(const char *name, struct user_facts *facts, struct carrel_error *err);

void user_facts_clear(struct user_facts *facts);

#endif
