/*
 * faults.h - a limit that bit: the words for it, and the history that outlives sessions.
 *
 * CARREL_FAULTS/UID has one line for each report, "key=value" separated by tabs, the oldest first. At FAULTS_FILE_MAX bytes it
 * becomes UID.old, in place of the one before, so a user's history is never larger than twice that. Keepers of one
 * user append at once; a line that was damaged is left out when the history is read. It goes aside with the account's state.
 */
#ifndef CARREL_FAULTS_H
#define CARREL_FAULTS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "session.h"

#define FAULTS_FILE_MAX (64 * 1024)

/* What was reached; the words are those of the settings. */
#define FAULT_MEMORY "memory"
#define FAULT_PIDS   "pids"
#define FAULT_DISK   "disk"
#define FAULT_INODES "inodes"

/* Whose limit it was. */
#define FAULT_SESSION "session"
#define FAULT_USER    "user"
#define FAULT_GROUP   "group"
#define FAULT_HOST    "host" /* nobody's: the machine itself had no more */

/* One report: `count` faults of one kind. Strings as they came; they are escaped where they are written. */
struct fault {
	uint64_t time; /* seconds since the epoch */
	char user[64];
	uid_t uid;
	char session[SESSION_ID_MAX];
	char kind[12];
	char level[12];
	char group[64];	  /* with FAULT_GROUP: the group's name */
	uint64_t limit;	  /* bytes, processes or files; UNIT_NONE: not known */
	uint64_t peak;	  /* the most that was used, likewise */
	uint64_t count;	  /* processes killed, forks refused; at least 1 */
	char process[64]; /* the one that was killed, the first of them, or "" */
};

/* A line for the user, such as "memory limit of 64M reached, 'python3' was killed". Printable. Returns buf. */
char *fault_describe(const struct fault *fault, char *buf, size_t size);

/* Open CARREL_FAULTS, making it if needed. A descriptor or -errno. */
int faults_open(struct carrel_error *err);

/* Add to the history of fault->uid. 0 or -errno; then nothing was added. */
int faults_append(int dir_fd, const struct fault *fault, struct carrel_error *err);

/*
 * The history of one user, or of all with (uid_t)-1, the oldest first. Strings are as in the file: escaped. *list is one
 * allocation: free(*list). Returns how many, or -errno.
 */
ssize_t faults_read(int dir_fd, uid_t uid, struct fault **list, struct carrel_error *err);

/* Who has a history, in no order. *uids is one allocation. Returns how many, or -errno. */
ssize_t faults_users(int dir_fd, uid_t **uids, struct carrel_error *err);

/*
 * Move a user's history into their state directory, before that is kept aside; or out of it again. None is success, and one that is
 * there already is replaced by what comes. 0 or -errno; a part of it may have been moved, and the same call again goes on.
 */
int faults_keep(int dir_fd, uid_t uid, int user_fd, struct carrel_error *err);
int faults_give_back(int dir_fd, uid_t uid, int user_fd, struct carrel_error *err);

/* Remove the history of a user. None is success. */
int faults_remove(int dir_fd, uid_t uid, struct carrel_error *err);

#endif
