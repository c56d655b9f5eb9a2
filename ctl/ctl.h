/*
 * ctl.h - what the verbs of carrelctl share.
 *
 *	carrelctl.c      main, the table of verbs, help
 *	message.c        lines on stderr
 *	table.c          tables for people and as JSON
 *	live.c           what is known of a session
 *	check.c …        one verb each
 *	confine*.c       programs of the host on untrusted data; what is common to children that are confined
 *	room.c           how much of a disk may be taken
 *	progress.c       signals and progress of long work
 *	image_*.c        the `image` verbs: import, fetch, busybox (what it is made from); make (how), extract (the confined
 *	                 child: archive, reader, layer, follow), oci, bundle, tree, staging; list, verify, remove
 *	rootfs_*.c       the `rootfs` verbs; layer*.c walks and compares what they look at
 *	doctor*.c        `doctor`: see doctor.h
 *
 * A verb reports what went wrong itself, once, and returns the exit status of the program.
 */
#ifndef CARREL_CTL_H
#define CARREL_CTL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

enum ctl_status { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2 };

enum ctl_option {
	CTL_JSON = 1 << 0,
	CTL_FORCE = 1 << 1,
	CTL_NO_SFTP = 1 << 2,
	CTL_MIRROR = 1 << 3, /* with ctl_args.mirror */
	CTL_AS = 1 << 4,     /* with ctl_args.as */
	CTL_YES = 1 << 5,
	CTL_KILL = 1 << 6,
	CTL_KEEP_HOME = 1 << 7,
	CTL_DRY_RUN = 1 << 8,
	CTL_IMAGE = 1 << 9, /* with ctl_args.image */
	CTL_BATCH = 1 << 10,
	CTL_USERS = 1 << 11,
	CTL_SORT = 1 << 12,   /* with ctl_args.sort */
	CTL_TIMES = 1 << 13,  /* -n, with ctl_args.times */
	CTL_DELAY = 1 << 14,  /* -d, with ctl_args.delay */
	CTL_SHA512 = 1 << 15, /* with ctl_args.sha512 */
};

struct ctl_args {
	unsigned options; /* enum ctl_option: those that were given */
	int count;	  /* words after the verb */
	char **words;
	const char *sort, *times, *delay, *mirror, *as, *image,
		*sha512; /* the values of options that have one, or NULL */
};

struct ctl_verb {
	const char *name;
	const char *sub;       /* "import" of "image import", or NULL */
	const char *arguments; /* as in the usage, options aside */
	const char *summary;   /* one line of help */
	unsigned options;      /* enum ctl_option: those it takes */
	int min, max;	       /* how many words it takes */
	bool needs_root;
	int (*run)(const struct ctl_args *args); /* NULL: not available in this version */
};

int verb_apply(const struct ctl_args *args);
int verb_check(const struct ctl_args *args);
int verb_doctor(const struct ctl_args *args);
int verb_explain(const struct ctl_args *args);
int verb_faults(const struct ctl_args *args);
int verb_gc(const struct ctl_args *args);
int verb_image_build(const struct ctl_args *args);
int verb_image_fetch(const struct ctl_args *args);
int verb_image_import(const struct ctl_args *args);
int verb_image_list(const struct ctl_args *args);
int verb_image_remove(const struct ctl_args *args);
int verb_image_verify(const struct ctl_args *args);
int verb_kill(const struct ctl_args *args);
int verb_list(const struct ctl_args *args);
int verb_set(const struct ctl_args *args);
int verb_show(const struct ctl_args *args);
int verb_top(const struct ctl_args *args);
int verb_rootfs_adopt(const struct ctl_args *args);
int verb_rootfs_diff(const struct ctl_args *args);
int verb_rootfs_drop(const struct ctl_args *args);
int verb_rootfs_du(const struct ctl_args *args);
int verb_rootfs_export(const struct ctl_args *args);
int verb_rootfs_list(const struct ctl_args *args);
int verb_rootfs_remove(const struct ctl_args *args);
int verb_rootfs_reset(const struct ctl_args *args);
int verb_rootfs_rollback(const struct ctl_args *args);
int verb_rootfs_snapshot(const struct ctl_args *args);
int verb_rootfs_snapshots(const struct ctl_args *args);
int verb_rootfs_upgrade(const struct ctl_args *args);

/*
 * Before something of a user's is lost: at once CTL_DONE with --yes, else ask on the terminal. CTL_FAILED: the answer was no.
 * CTL_USAGE: there is no terminal.
 */
int ctl_confirm(const struct ctl_args *args, const char *user, const char *what);

/* gc.c: have a keeper remove what is left of a session whose keeper is dead. 0 or -errno. */
int gc_close_session(const char *id, struct carrel_error *err);

/* The part of `apply` for disk space and files, of users with and without sessions. How many it failed for. */
struct config;
int apply_storage(const struct config *config);

/* "carrelctl: …" on stderr, with what is not printable escaped. */
void ctl_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void ctl_warning(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The edge: report an error of core/. Returns CTL_FAILED. */
int ctl_fail(const struct carrel_error *err);

/* A wrong command line. Returns CTL_USAGE. */
int ctl_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Whether stdout took everything; a full disk or a closed pipe is a failure. Call last. */
int ctl_flush(int status);

#endif
