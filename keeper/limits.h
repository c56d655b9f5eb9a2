/*
 * limits.h - /run/carrel/limits inside: what the session's user may use, and uses when they read it.
 *
 * The keeper owns a tmpfs of its own, attached nowhere on the host, with the one file. init binds that file, read-only. The
 * file belongs to the host's root, whom the sandbox's id map does not have, so nothing inside may write it, whatever capabilities
 * the policy leaves.
 *
 * It is written when somebody reads it: the keeper holds a write lease on it (fcntl(2), F_SETLEASE), so an open(2) of it waits
 * until the keeper has written what is true now and given the lease up. The kernel ends that wait by itself after
 * /proc/sys/fs/lease-break-time (45 s), and a signal to the reader at once, so that a keeper that is stuck cannot hold a
 * reader for good. An fanotify permission event would wait without end, and the kernel gives root 128 groups of it, for all
 * sessions and everything else on the host.
 *
 * The keeper takes the lease back LIMITS_REST_MS later at the earliest. Until then the file is opened without the keeper having
 * any part in it: that bounds its work, however often the file is opened. While somebody keeps it open there can be no lease;
 * then the file is written anew each LIMITS_HELD_MS. Where an administrator has turned leases off, each LIMITS_NO_LEASE_MS.
 */
#ifndef CARREL_LIMITS_H
#define CARREL_LIMITS_H

#include "core/usage.h"
#include "supervise.h"

#define LIMITS_FILE	   "limits"
#define LIMITS_REST_MS	   100
#define LIMITS_HELD_MS	   1000
#define LIMITS_NO_LEASE_MS 10000

/*
 * Make the filesystem and the file, and set limits_fd, for init. After the clone, since init shall not have the file's
 * descriptor. Blocks SIGIO, which tells of a reader. 0 or -errno.
 */
int limits_make(struct keeper *k, struct carrel_error *err);

/* Begin to serve readers. */
void limits_start(struct keeper *k);

/* Let go of whoever is waiting: the session ends. */
void limits_stop(void);

/*
 * limits_text.c (pure): the file's text for `count` levels, and for the user's files (USAGE_DISK_ROWS, or NULL without limits of
 * them). Returns its length, at most size - 1.
 */
size_t limits_format(char *buf, size_t size, const struct usage *levels, int count,
		     const struct usage_row *disk);

#endif
