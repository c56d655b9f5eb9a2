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

/* Whether there is such a user, or such a group. 1, 0, or -errno when that cannot be told. */
int user_exists(const char *name, struct carrel_error *err);
int user_group_exists(const char *name, struct carrel_error *err);

#endif
