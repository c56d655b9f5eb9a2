/*
 * change_internal.h - one change in the making: change.c has the journal, snapshot.c the records, rootfs_change.c what is staged.
 */
#ifndef CARREL_CHANGE_INTERNAL_H
#define CARREL_CHANGE_INTERNAL_H

#include "change.h"
#include "storage.h"

#define STAGING	  ".staging"
#define SNAPSHOTS "snapshots"

#define CHANGE_REPLACE	"replace"  /* what is staged of upper, work and home takes their places */
#define CHANGE_SNAPSHOT "snapshot" /* what is staged becomes a snapshot */
#define CHANGE_DROP	"drop"	   /* a snapshot goes */

struct change {
	/* The journal. */
	char verb[16];
	uint32_t committed;
	struct snapshot snapshot; /* with CHANGE_REPLACE: the image alone, "" when it stays */

	int user_fd; /* borrowed */
	uid_t uid;
	int storage_fd;
	int staging_fd; /* root's, 0700, empty at first; not opened for CHANGE_DROP */
	struct storage_room room;
};

/* Recover, then step 1. To be ended with change_end also when it fails. */
int change_begin(struct change *c, int user_fd, uid_t uid, const char *verb, struct carrel_error *err);

/* Steps 2 and 3 when `result` is 0, else undo. Returns 0, `result`, or -errno. */
int change_end(struct change *c, int result, struct carrel_error *err);

int snapshot_write(int user_fd, const struct snapshot *snapshot, struct carrel_error *err);

#endif
