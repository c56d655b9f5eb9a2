/*
 * ephemeral.h - rootfs = "ephemeral": a root filesystem in memory, of one session, that goes with it.
 */
#ifndef CARREL_EPHEMERAL_H
#define CARREL_EPHEMERAL_H

#include "keeper.h"

/*
 * Set rootfs_fd and, for a private home, home_fd: an overlay of the image whose upper layer, and the home, are in a tmpfs of
 * this session's own. Its pages are charged to whoever writes them, which is the session; it is at most half of the session's memory, as the
 * kernel's own default is of the machine's, so that a full disk is an error before it is a killed process. 0 or -errno.
 */
int ephemeral_open(struct keeper *k, int image_fd, struct carrel_error *err);

#endif
