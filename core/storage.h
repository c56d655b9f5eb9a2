/*
 * storage.h - where a user's own files are, and how much they may be: the directory that holds upper, work and home.
 *
 * Limits of disk space and files (policy.user_limits.disk and .inodes) are kept by the filesystem of CARREL_USERS where that has
 * project quotas (project.h), and else by the size of a disk image of the user's own (disk_image.h), in which the three then
 * are. A user who has an image keeps it. Without limits and without quotas the directory is CARREL_USERS/UID itself.
 *
 *	storage.c        what carrelctl asks for: open, apply, usage
 *	storage_mount.c  what a login needs: directories, room for the login itself, limits; and a change (change.h)
 *	storage_image.c  into an image, and from one to another
 */
#ifndef CARREL_STORAGE_H
#define CARREL_STORAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"
#include "idmap.h"
#include "policy.h"

/* Beside upper, work and home, with a number after it: nothing knows of it any more (change.h). Left out where files are moved. */
#define STORAGE_REMOVED ".removed."

enum storage_method { STORAGE_PLAIN, STORAGE_PROJECT, STORAGE_IMAGE };

/* "none", "project quota", "disk image". */
const char *storage_method_name(enum storage_method method);

/* One user's, for the functions below. */
struct storage {
	int user_fd; /* CARREL_USERS/UID */
	uid_t uid;
	struct idmap ids;
	uid_t home_uid; /* owner of a new home, on disk */
	gid_t home_gid;
	const struct limits *limits; /* user_limits of the policy */
	bool mounted;		     /* by storage_mount, just now, and by nobody else */
	bool whole;		     /* an image in use gets all that the limits ask for, or stays as it is */
	int64_t deadline;	     /* of fs_now_ms, for moving files that are there already; 0: none */
	char note
		[CARREL_ERROR_MAX]; /* out, of both: what an administrator should know; "" before the first */
};

/*
 * Make the directory ready for a login, and return a detached mount of it, nodev and perhaps nosuid. No session of the user is
 * live, nothing of theirs is mounted in the vault, and their lock is held. New directories are made; where limits were
 * not kept so far, the files that are there are taken into them first. The login itself needs room, also when the user has none
 * left: until storage_settle there is some. -ENOTSUP: there is no way here to keep to the limits. Descriptor or -errno.
 */
int storage_mount(struct storage *s, struct carrel_error *err);

/*
 * Make those of the directories in a user's storage that are missing: upper and work, of the sandbox's root; home, of the user; and root's
 * own. 1: upper, work, home and snapshots are all new. 0, or -errno.
 */
int storage_make_dirs(int dir, const struct idmap *ids, uid_t home_uid, gid_t home_gid,
		      struct carrel_error *err);

/* From here on exactly the limits hold, which is read back. `dir` is a descriptor of the mounted directory. 0 or -errno. */
int storage_settle(struct storage *s, int dir, struct carrel_error *err);

/*
 * Open the directory that holds the user's upper, work and home, while no session uses them, nothing of them is mounted in the vault
 * (vault_release) and the caller holds the lock of the user (flock on CARREL_USERS/UID). `user_fd` is CARREL_USERS/UID, or a state kept aside:
 * what the vault has at `uid`, which is here for messages only, is then another account's. An image stays mounted for as long
 * as the descriptor is open. Returns a descriptor, or -errno.
 */
int storage_open(int user_fd, uid_t uid, struct carrel_error *err);

/* What a change makes use of, beyond the limits. */
struct storage_room {
	bool in_image;
	bool raised; /* the project's limits are */
	uint32_t project;
	uint64_t bytes, inodes; /* its limits as they were; UNIT_NONE: no limit */
};

/*
 * Room for a few directories and names, also for a user at their limits, until storage_give_back(), which is to be called also
 * when this fails. Killed before it, the next login does it. `user_fd` and `dir` as for storage_open. 0 or -errno.
 */
int storage_make_room(struct storage_room *room, int user_fd, int dir, struct carrel_error *err);

/* Make the directory dir/name, root's: what is made in it counts for the user. Descriptor or -errno. */
int storage_stage(const struct storage_room *room, int dir, const char *name, struct carrel_error *err);

/* Whether all is within the limits as they were. 0, -EDQUOT, or -errno. */
int storage_fits(const struct storage_room *room, int dir, struct carrel_error *err);

/* 0 or -errno. */
int storage_give_back(const struct storage_room *room, int dir, struct carrel_error *err);

/*
 * Bring a user's storage to these limits now, with sessions live or without, however long that takes. The caller has the user's lock,
 * and nothing that change.h left is pending; `user_fd` is CARREL_USERS/UID. What cannot be done while they have a session is
 * done at the next login after, and `note` says so, as in struct storage, or -EBUSY and a message; with `partly` an image in use may have
 * become larger all the same. A limit that is lower than what is used lets nothing more be written. A user without files yet is
 * success. 0 or -errno. Single-threaded callers only (setns).
 */
int storage_apply_locked(int user_fd, uid_t uid, const struct limits *limits, bool partly,
			 char note[CARREL_ERROR_MAX], struct carrel_error *err);

/* What would keep to these limits (may be NULL: none) of a user who has no files yet. */
enum storage_method storage_method_for(const struct limits *limits);

struct storage_usage {
	enum storage_method method;
	uint64_t bytes, inodes;		    /* UNIT_NONE: not known */
	uint64_t bytes_limit, inodes_limit; /* as they are kept; UNIT_NONE: no limit */
};

/* What the user's files take. -ENOENT: the user has none yet; method is then the one that these limits (may be NULL) would get. */
int storage_usage(uid_t uid, const struct limits *limits, struct storage_usage *usage,
		  struct carrel_error *err);

#endif
