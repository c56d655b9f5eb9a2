/*
 * rootfs_change.c - the `rootfs` verbs that change: snapshot, snapshots, rollback, drop, reset, remove. What they do is in
 * core/change.h; here is who may, and what is asked before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/faults.h"
#include "ctl.h"
#include "rootfs.h"
#include "table.h"

typedef int take_fn(struct rootfs *rootfs, bool kill, struct carrel_error *err);

/* Find the user of args, ask, and take the root filesystem. 0, or enum ctl_status. */
static int take_by(take_fn *take_it, struct rootfs *rootfs, const struct ctl_args *args, const char *question)
{
	struct carrel_error err = { 0 };
	char user[128];

	if (rootfs_find(rootfs, args->words[0], &err) < 0)
		return ctl_fail(&err);
	if (question) {
		int status = ctl_confirm(args, rootfs_user(rootfs, user, sizeof(user)), question);
		if (status)
			return status;
	}
	return take_it(rootfs, args->options & CTL_KILL, &err) < 0 ? ctl_fail(&err) : 0;
}

static int take(struct rootfs *rootfs, const struct ctl_args *args, const char *question)
{
	return take_by(rootfs_take, rootfs, args, question);
}

static int finish(int r, const struct carrel_error *err)
{
	return r < 0 ? ctl_fail(err) : CTL_DONE;
}

static int check_name(const char *name)
{
	return snapshot_name_valid(name)
		       ? 0
		       : ctl_usage("'%s' is not a name for a snapshot (letters, digits, '.', '_' and '-')",
				   name);
}

int verb_rootfs_snapshot(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	int status = check_name(args->words[1]);

	if (!status)
		status = take(&rootfs, args, NULL);
	if (status)
		return status;
	return finish(snapshot_take(rootfs.lock_fd, rootfs.uid, args->words[1], "root", &err), &err);
}

static const struct table_column columns[] = {
	{ "name", TABLE_BOTH },
	{ "taken", TABLE_BOTH },
	{ "by", TABLE_BOTH },
	{ "image", TABLE_BOTH },
	{ "size", TABLE_TEXT | TABLE_RIGHT },
	{ "bytes", TABLE_JSON | TABLE_NUMBER },
	{ "entries", TABLE_BOTH | TABLE_NUMBER },
	{ NULL, 0 },
};

int verb_rootfs_snapshots(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	_cleanup_free_ struct snapshot *list = NULL;
	struct carrel_error err = { 0 };
	char size[32];

	if (rootfs_find(&rootfs, args->words[0], &err) < 0 || rootfs_look(&rootfs, &err) < 0)
		return ctl_fail(&err);
	int n = snapshot_list(rootfs.lock_fd, &list, &err);
	if (n < 0)
		return ctl_fail(&err);
	struct table *table = table_new("snapshots", args->options & CTL_JSON, columns);
	for (int i = 0; i < n; i++) {
		table_line(table);
		table_set(table, "name", "%s", list[i].name);
		table_set_time(table, "taken", list[i].taken);
		table_set(table, "by", "%s", list[i].by);
		table_set(table, "image", "%s", list[i].image);
		table_set(table, "size", "%s", rootfs_format_size(size, sizeof(size), list[i].bytes));
		table_set(table, "bytes", "%" PRIu64, list[i].bytes);
		table_set(table, "entries", "%" PRIu64, list[i].entries);
	}
	int status = table_print(table);
	table_free(table);
	return status;
}

int verb_rootfs_rollback(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	int status = check_name(args->words[1]);

	if (!status)
		status = take(&rootfs, args,
			      "the root filesystem and home become what they were; what changed since then "
			      "is lost.");
	if (status)
		return status;
	return finish(rootfs_rollback(rootfs.lock_fd, rootfs.uid, args->words[1], &err), &err);
}

int verb_rootfs_drop(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	int status = check_name(args->words[1]);

	if (!status)
		status = take(&rootfs, args, "the snapshot is removed.");
	if (status)
		return status;
	return finish(snapshot_drop(rootfs.lock_fd, rootfs.uid, args->words[1], &err), &err);
}

int verb_rootfs_reset(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	bool keep_home = args->options & CTL_KEEP_HOME;
	int status = take(&rootfs, args,
			  keep_home ? "all changes to the root filesystem are lost; the home stays."
				    : "all changes to the root filesystem and the whole home are lost.");

	if (status)
		return status;
	return finish(rootfs_reset(rootfs.lock_fd, rootfs.uid, keep_home, &err), &err);
}

/* The history goes first: left alone it would be that of the next account with this uid. One kept aside is in the state. */
static int remove_faults(const struct rootfs *rootfs, struct carrel_error *err)
{
	if (rootfs->kept)
		return 0;
	_cleanup_close_ int faults = faults_open(err);
	return faults < 0 ? faults : faults_remove(faults, rootfs->uid, err);
}

int verb_rootfs_remove(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	/* This must work whatever state it is in. */
	int status = take_by(rootfs_take_as_is, &rootfs, args,
			     "root filesystem, home, snapshots and the history of faults are removed.");

	if (status)
		return status;
	if (remove_faults(&rootfs, &err) < 0)
		return ctl_fail(&err);
	return finish(state_remove(rootfs.users_fd, rootfs.dir, &err), &err);
}
