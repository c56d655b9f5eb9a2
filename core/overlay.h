/*
 * overlay.h - the mount that a root filesystem is: an image below, the user's changes above.
 */
#ifndef CARREL_OVERLAY_H
#define CARREL_OVERLAY_H

#include "error.h"

/*
 * A detached overlay of the directories at/lower (an idmapped, read-only mount), at/upper and at/work, all in the caller's mount
 * namespace. index=on makes a second mount of the same upper fail with EBUSY; the mounts of a session that has just ended go away a moment
 * after its last process, so EBUSY is waited for, for three seconds. Descriptor or -errno.
 */
int overlay_new(const char *at, struct carrel_error *err);

#endif
