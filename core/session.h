/*
 * session.h - the record of a live session: CARREL_SESSIONS/ID/record.
 *
 * ID is "<uid>-<8 lower-case hex digits>". The keeper of a session holds an exclusive flock on its
 * record from before it is visible until everything is removed, so "is it alive" is asked of the kernel and
 * never of a pid: a record whose lock can be taken is stale.
 */
#ifndef CARREL_SESSION_H
#define CARREL_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define SESSION_ID_MAX 24

/*
 * The file beside the record that says why the session ended, when nobody else can: empty until then, and removed with the
 * session.
 */
#define SESSION_ENDED "ended"

/* Strings are as they came from elsewhere in the keeper that writes it, and as text_escape makes them, perhaps cut, in one that was read. */
struct session_record {
	char id[SESSION_ID_MAX];
	uid_t uid;
	char user[64];
	char image[64];
	char service[64]; /* PAM service */
	char rhost[128];
	char tty[64];
	char cgroup[128]; /* group below each controller's mount point, no leading slash */
	uint64_t started; /* seconds since the epoch */
	pid_t keeper;	  /* for people only: nothing is ever killed by these */
	pid_t init;
};

/* Whether `id` could be a session's name: the one gate before an ID from outside becomes a path. */
bool session_id_valid(const char *id);

/* The uid at the start of a valid id. */
uid_t session_id_uid(const char *id);

/* Read the record of `id`. -ENOENT: no such session. -EIO and a message: damaged. */
int session_read(const char *id, struct session_record *record, struct carrel_error *err);

/* Write the record (atomically replaced in place: the inode stays, since the lock is on it). */
int session_write(int record_fd, const struct session_record *record, struct carrel_error *err);

/* 1 while the keeper of `id` lives, 0 when the record is stale or missing, -errno. */
int session_alive(const char *id, struct carrel_error *err);

/*
 * The IDs of all session directories, live or stale, sorted; of one user when uid is not (uid_t)-1.
 * *ids is a NULL-terminated array in one allocation: free(*ids). Returns how many, or -errno.
 */
int session_list(uid_t uid, char ***ids, struct carrel_error *err);

/* How many sessions of the user are live, or -errno. */
int session_count_live(uid_t uid, struct carrel_error *err);

/*
 * Ask the keeper of `id` to end the session with `word` (CONTROL_CLOSE or CONTROL_KILL) and wait up to
 * `timeout_ms` until it is gone. 0, -ENOENT when there is none, -ETIMEDOUT, or -errno.
 */
int session_end(const char *id, const char *word, int timeout_ms, struct carrel_error *err);

/*
 * Say `word` (CONTROL_RULES with its values, CONTROL_STATUS) to the keeper of `id` and wait up to timeout_ms for its answer, which
 * goes to `answer` as a string. 0, -ENOENT when there is no such session (any more), -ETIMEDOUT, -EINVAL with the
 * keeper's words when it refuses, or -errno.
 */
int session_ask(const char *id, const char *word, char *answer, size_t size, int timeout_ms,
		struct carrel_error *err);

/* What goes on in a live session. Times in milliseconds; UNIT_NONE: no such rule. */
struct session_status {
	char state[16]; /* "open"; "warned": its users were told that it is about to end */
	uint64_t age;	/* since it was opened */
	uint64_t
		idle; /* since input or output of a terminal, or the start or end of a command; 0 while one without
				 a terminal runs */
	uint32_t connections; /* carrel-shells */
	uint32_t commands;    /* of them: whose command runs */
	uint32_t terminals;   /* of them: on a terminal */
	uint32_t fresh;	   /* 1; 0: init did not answer in time, and the five above are what was known last */
	uint64_t idle_max; /* the rules that hold */
	uint64_t lifetime;
	uint64_t warn;
};

/* Ask for it: as session_ask. The keeper answers within STATUS_MS, and at once unless the session is stalled. */
#define SESSION_STATUS_MS 1500
int session_status(const char *id, struct session_status *status, int timeout_ms, struct carrel_error *err);

/* The keeper's side: the length of the answer, or -EFBIG. */
ssize_t session_status_format(char *buf, size_t size, const struct session_status *status);

#endif
