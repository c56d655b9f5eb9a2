/*
 * storage_internal.h - what the files of storage.h share.
 */
#ifndef CARREL_STORAGE_INTERNAL_H
#define CARREL_STORAGE_INTERNAL_H

#include <stdbool.h>

#include "disk_image.h"
#include "storage.h"

#define STORAGE_TREES 4
extern const char *const storage_trees[STORAGE_TREES]; /* upper, work, home, snapshots */

/* Whether there is a limit at all. */
bool storage_limited(const struct limits *limits);

/* --- storage_mount.c --- */

/* The project that the trees below `dir` are in; 0: none, or not all in one. */
uint32_t storage_project(int dir);

/* Take what is there into a project of the user's, if limits or its being there already ask for it. Sets *id, 0: none. */
int storage_claim(struct storage *s, int dir, uint32_t *id, struct carrel_error *err);

/* --- storage_image.c --- */

/* Whether the user has a disk image. Removes what an unfinished move has left. 1, 0 or -errno. */
int storage_has_image(int user_fd, struct carrel_error *err);

/* The image that the limits ask for. */
int storage_plan(const struct storage *s, struct disk_image *plan, struct carrel_error *err);

/*
 * Move upper, work, home and snapshots, if they are there, from `from` (CARREL_USERS/UID, or an old image) into a new image, which takes
 * the place of the old. Killed at any moment, one of the two is whole. A detached mount of the new one, or -errno; -EDQUOT: it
 * does not fit. After a failure `renamed` says whether the new one has taken the place all the same.
 */
int storage_move(struct storage *s, int from, const struct disk_image *plan, bool *renamed,
		 struct carrel_error *err);

/* Bring the image, mounted nowhere, to the limits as far as possible, and mount it, detached. */
int storage_refit(struct storage *s, struct carrel_error *err);

/* The same for one that is mounted and in use, at `dir`. 0, -EBUSY when it has to wait, or -errno. */
int storage_refit_live(struct storage *s, int dir, struct carrel_error *err);

#endif
