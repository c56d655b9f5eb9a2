/*
 * covered.h - who counts as covered while nobody can say whom the policy covers (pam_carrel(8), "Without a policy").
 *
 * The module asks when the keeper has no answer, the keeper when the config cannot be read. Here, because the module is linked with
 * nothing of core.
 */
#ifndef CARREL_COVERED_H
#define CARREL_COVERED_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "paths.h"

/*
 * Whether it is likely that the policy covers them: whoever logs in to carrel-shell, wherever it is installed, and whoever has had a
 * sandbox before. All others are left alone, so that a broken Carrel locks nobody out who has nothing to do with it. `shell` is
 * that of passwd, or NULL.
 */
static inline bool seems_covered(uid_t uid, const char *shell)
{
	const char *slash = shell ? strrchr(shell, '/') : NULL, *own_name = strrchr(CARREL_SHELL, '/');
	char state[sizeof(CARREL_USERS) + 16];
	struct stat st;

	if (slash && strcmp(slash, own_name) == 0)
		return true;
	(void)snprintf(state, sizeof(state), CARREL_USERS "/%u", uid);
	return lstat(state, &st) == 0;
}

#endif
