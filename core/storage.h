/*
 * storage.h - where a user's own files are: the directory that holds upper, work and home.
 *
 * Without a limit of disk space, or where the filesystem has project quotas, that is CARREL_USERS/UID itself.
 */
#ifndef CARREL_STORAGE_H
#define CARREL_STORAGE_H

#include <sys/types.h>

#include "error.h"

/*
 * Open the directory that holds the user's upper, work and home, while no session of theirs is live and the caller holds the lock of
 * the user (flock on CARREL_USERS/UID). `user_fd` is CARREL_USERS/UID. Returns a descriptor, or -errno.
 */
int storage_open(int user_fd, uid_t uid, struct carrel_error *err);

#endif
