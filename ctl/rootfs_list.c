/* rootfs_list.c - `carrelctl rootfs list` and `du`: whose they are and what they take. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "ctl.h"
#include "layer.h"
#include "rootfs.h"
#include "table.h"

const char *rootfs_format_size(char *buf, size_t size, uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && units[unit + 1]; unit++)
		value /= 1024;
	(void)snprintf(buf, size, unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
	return buf;
}

/* Files with several names, by inode: an open hash table. */
struct measuring {
	struct rootfs_size *size;
	ino_t *seen;
	size_t room, used;
};

static bool add_seen(struct measuring *m, ino_t ino)
{
	size_t i = (size_t)(ino * UINT64_C(0x9e3779b97f4a7c15)) & (m->room - 1);

	for (; m->seen[i]; i = (i + 1) & (m->room - 1))
		if (m->seen[i] == ino)
			return false;
	m->seen[i] = ino;
	m->used++;
	return true;
}

static int grow_seen(struct measuring *m)
{
	struct measuring bigger = { .room = m->room ? m->room * 2 : 64 };

	bigger.seen = calloc(bigger.room, sizeof(*bigger.seen));
	if (!bigger.seen)
		return -ENOMEM;
	for (size_t i = 0; i < m->room; i++)
		if (m->seen[i])
			add_seen(&bigger, m->seen[i]);
	free(m->seen);
	m->seen = bigger.seen;
	m->room = bigger.room;
	return 0;
}

static int measure_entry(const struct layer_entry *entry, void *arg, struct carrel_error *err)
{
	struct measuring *m = arg;

	if (!S_ISDIR(entry->st.st_mode)) {
		m->size->files++;
		if (entry->st.st_nlink > 1) {
			if (m->used * 2 >= m->room && grow_seen(m) < 0)
				return error_set(err, ENOMEM, "out of memory");
			if (!add_seen(m, entry->st.st_ino))
				return 0;
		}
	}
	m->size->bytes += (uint64_t)entry->st.st_blocks * 512;
	return 0;
}

static int measure_one(struct measuring *m, int dirfd, const char *path, struct carrel_error *err)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '%s'", path);
	int r = layer_walk(fd, NULL, 0, measure_entry, m, err);
	return r < 0 ? error_context(err, "'%s'", path) : 0;
}

int rootfs_measure(int dirfd, const char *const *paths, struct rootfs_size *size, struct carrel_error *err)
{
	struct measuring m = { .size = size };
	int r = 0;

	*size = (struct rootfs_size){ 0 };
	for (; r == 0 && *paths; paths++)
		r = measure_one(&m, dirfd, *paths, err);
	free(m.seen);
	return r;
}

static const char *const upper_part[] = { "upper", NULL };
static const char *const home_part[] = { "home", NULL };
static const char *const all_parts[] = { "upper", "work", "home", "snapshots", NULL };

static const struct table_column list_columns[] = {
	{ "user", TABLE_BOTH },
	{ "uid", TABLE_BOTH | TABLE_NUMBER },
	{ "state", TABLE_BOTH },
	{ "image", TABLE_BOTH },
	{ "size", TABLE_TEXT | TABLE_RIGHT },
	{ "bytes", TABLE_JSON | TABLE_NUMBER },
	{ "changed", TABLE_BOTH | TABLE_NUMBER },
	{ "snapshots", TABLE_BOTH | TABLE_NUMBER },
	{ "last_login", TABLE_BOTH },
	{ "sessions", TABLE_BOTH | TABLE_NUMBER },
	{ "name", TABLE_BOTH },
	{ NULL, 0 },
};

struct listing {
	struct table *table;
	int status;
};

/* Sizes of one whose files cannot be looked at now are left out, and it is said why. */
static void fill_sizes(struct rootfs *rootfs, struct listing *listing)
{
	struct rootfs_size upper = { 0 }, all = { 0 };
	struct snapshot *list = NULL;
	struct carrel_error err = { 0 };
	char text[32], user[128];

	int n = rootfs_look(rootfs, &err);
	if (n == 0)
		n = rootfs_measure(rootfs->content_fd, upper_part, &upper, &err);
	if (n == 0)
		n = rootfs_measure(rootfs->content_fd, all_parts, &all, &err);
	if (n == 0)
		n = snapshot_list(rootfs->lock_fd, &list, &err);
	free(list);
	if (n < 0) {
		error_context(&err, "user '%s'", rootfs_user(rootfs, user, sizeof(user)));
		listing->status = ctl_fail(&err);
		return;
	}
	table_set(listing->table, "size", "%s", rootfs_format_size(text, sizeof(text), all.bytes));
	table_set(listing->table, "bytes", "%" PRIu64, all.bytes);
	table_set(listing->table, "changed", "%" PRIu64, upper.files);
	table_set(listing->table, "snapshots", "%d", n);
	table_set(listing->table, "sessions", "%d", rootfs->live);
}

static int list_one(struct rootfs *rootfs, void *arg, struct carrel_error *err)
{
	struct listing *listing = arg;
	struct table *table = listing->table;
	char user[128];

	(void)err;
	table_line(table);
	table_set(table, "user", "%s", rootfs_user(rootfs, user, sizeof(user)));
	table_set(table, "uid", "%u", rootfs->uid);
	table_set(table, "state", "%s", rootfs->kept ? "kept" : "used");
	table_set(table, "image", "%s", rootfs->image);
	table_set(table, "name", "%s", rootfs->dir);
	if (rootfs->owner.name[0])
		table_set_time(table, "last_login", rootfs->owner.last_login);
	fill_sizes(rootfs, listing);
	return 0;
}

int verb_rootfs_list(const struct ctl_args *args)
{
	struct carrel_error err = { 0 };
	struct listing listing = { .table = table_new("rootfs", args->options & CTL_JSON, list_columns) };

	if (rootfs_each(list_one, &listing, &err) < 0)
		listing.status = ctl_fail(&err);
	int printed = table_print(listing.table);
	table_free(listing.table);
	return printed ? printed : listing.status;
}

static const struct table_column du_columns[] = {
	{ "part", TABLE_BOTH },
	{ "size", TABLE_TEXT | TABLE_RIGHT },
	{ "bytes", TABLE_JSON | TABLE_NUMBER },
	{ "files", TABLE_BOTH | TABLE_NUMBER },
	{ NULL, 0 },
};

static int add_part(struct table *table, const char *part, int dirfd, const char *const *paths,
		    struct carrel_error *err)
{
	struct rootfs_size size;
	char text[32];
	int r = rootfs_measure(dirfd, paths, &size, err);

	if (r < 0)
		return r;
	table_line(table);
	table_set(table, "part", "%s", part);
	table_set(table, "size", "%s", rootfs_format_size(text, sizeof(text), size.bytes));
	table_set(table, "bytes", "%" PRIu64, size.bytes);
	table_set(table, "files", "%" PRIu64, size.files);
	return 0;
}

static int add_parts(struct table *table, struct rootfs *rootfs, struct carrel_error *err)
{
	_cleanup_free_ struct snapshot *list = NULL;
	char part[128], path[128];
	int r = add_part(table, "rootfs", rootfs->content_fd, upper_part, err);

	if (r == 0)
		r = add_part(table, "home", rootfs->content_fd, home_part, err);
	int n = r < 0 ? r : snapshot_list(rootfs->lock_fd, &list, err);
	for (int i = 0; r == 0 && i < n; i++) {
		(void)snprintf(part, sizeof(part), "snapshot %s", list[i].name);
		(void)snprintf(path, sizeof(path), "snapshots/%s", list[i].name);
		r = add_part(table, part, rootfs->content_fd, (const char *const[]){ path, NULL }, err);
	}
	if (r == 0 && n >= 0)
		r = add_part(table, "all", rootfs->content_fd, all_parts, err);
	return n < 0 ? n : r;
}

int verb_rootfs_du(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };

	if (rootfs_find(&rootfs, args->words[0], &err) < 0 || rootfs_look(&rootfs, &err) < 0)
		return ctl_fail(&err);
	struct table *table = table_new("du", args->options & CTL_JSON, du_columns);
	int status = add_parts(table, &rootfs, &err) < 0 ? ctl_fail(&err) : table_print(table);
	table_free(table);
	return status;
}
