/*
 * override.h - values that `carrelctl set` gave a user, over those of the config, for as long as they have a session.
 *
 * CARREL_OVERRIDES/UID holds lines "limits.memory=1G". Sessions that the user opens meanwhile get them as well. They go with the
 * last session, or with `carrelctl apply`.
 */
#ifndef CARREL_OVERRIDE_H
#define CARREL_OVERRIDE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "policy.h"

#define OVERRIDE_TEXT_MAX 4096
#define OVERRIDE_ORIGIN	  "carrelctl set" /* of a policy's value; the line is 0 */

/*
 * Set one value of a decided policy from "limits.memory" or "memory" (then it is the first of limits, session and
 * user_limits that has it) and its text. Only what can change while a session runs. Returns the index of the key, or -EINVAL and a
 * message.
 */
int override_set(struct policy *policy, const char *name, const char *text, struct carrel_error *err);

/*
 * Set all of the user's. `text` (OVERRIDE_TEXT_MAX bytes, may be NULL) gets the file's content. None is success. -EINVAL when they and the config
 * contradict each other.
 */
int override_load(uid_t uid, struct policy *policy, char *text, struct carrel_error *err);

/* Replace the user's, all of them. An empty text removes them. 0 or -errno. */
int override_save(uid_t uid, const char *text, struct carrel_error *err);

/*
 * Whether limits were changed since somebody looked: two stamps differ when override_save() or override_mark_apply() was called
 * between them. Whoever changes limits of live groups does that first, so that a session that is being opened, and gives the user's
 * group limits meanwhile, sees afterwards that they may not be the ones that hold by now.
 */
struct override_stamp {
	uint64_t saved[3], applied[3];
};
void override_stamp(uid_t uid, struct override_stamp *stamp);
bool override_stamp_equal(const struct override_stamp *a, const struct override_stamp *b);

/* `carrelctl apply` begins, with the config that is there now. Without any session since the boot there is nothing to mark. 0 or -errno. */
int override_mark_apply(struct carrel_error *err);

#endif
