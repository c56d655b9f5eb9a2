/*
 * bind.h - directories and files of the host in the sandbox, as the policy has them. Pure.
 */
#ifndef CARREL_BIND_H
#define CARREL_BIND_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"
#include "policy.h"

/* For the table of keys, whether a source can be one: NULL, or the rest of a message "'binds.source' …". */
const char *bind_check_source(const char *text);
/* The same of a target: also not a place that is the sandbox's own. */
const char *bind_check_target(const char *text);
/* Whether a struct bind_mount has both: NULL, or the rest of a message "each of 'binds' …". */
const char *bind_check_entry(const void *entry);

/* Put the user's name into a source or target. -EINVAL: the name cannot be part of a path; -ENAMETOOLONG. */
int bind_expand(const char *text, const struct user_facts *user, char out[BIND_PATH_MAX + 1]);

/* Whether `path` is `top` or below it. Both are absolute, without ".", ".." and doubled slashes. */
bool bind_path_within(const char *path, const char *top);

/*
 * What only all settings together make wrong: targets that hide one another or the home, and capabilities with which a mount's
 * attributes could be changed from inside. -EINVAL with FILE:LINE.
 */
int bind_check_policy(const struct policy *policy, const struct user_facts *user, struct carrel_error *err);

#endif
