/*
 * rootfs_diff.c - `carrelctl rootfs diff`: the user's layer against the image, as the kernel puts them together.
 *
 * Read from the layer itself: a whiteout is a deletion, an opaque directory hides what the image has there, and what was only copied up
 * (opened for writing, its times changed) is no difference.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "core/image.h"
#include "core/text.h"
#include "ctl.h"
#include "layer.h"
#include "rootfs.h"
#include "table.h"

static const struct table_column columns[] = {
	{ "change", TABLE_BOTH },
	{ "what", TABLE_BOTH },
	{ "type", TABLE_BOTH },
	{ "size", TABLE_TEXT | TABLE_RIGHT },
	{ "bytes", TABLE_JSON | TABLE_NUMBER },
	{ "path", TABLE_BOTH },
	{ NULL, 0 },
};

/*
 * What a table may take of the memory: a user can have as many files as their disk holds, at paths of any length. Beyond that differences
 * are counted.
 */
#define TABLE_BYTES_MAX (UINT64_C(256) << 20)
#define LINE_BYTES	1024

struct diff {
	struct table *table;
	struct idmap ids;
	uint64_t bytes;	   /* of the table, at most */
	uint64_t left_out; /* differences that are not in it */
};

static const char *type_name(mode_t mode)
{
	return S_ISREG(mode)	? "file"
	       : S_ISDIR(mode)	? "directory"
	       : S_ISLNK(mode)	? "link"
	       : S_ISFIFO(mode) ? "fifo"
	       : S_ISSOCK(mode) ? "socket"
				: "device";
}

static int add(struct diff *diff, const char *change, const char *what, const struct stat *st,
	       const char *path, struct carrel_error *err)
{
	size_t room = strlen(path) * 4 + 1;
	_cleanup_free_ char *safe = NULL;
	char size[32];

	/* What lies deeper than PATH_MAX nobody can name; its directories are seen up to there. */
	if (strlen(path) >= PATH_MAX || diff->bytes + LINE_BYTES + room > TABLE_BYTES_MAX) {
		diff->left_out++;
		return 0;
	}
	diff->bytes += LINE_BYTES + room;
	safe = malloc(room);
	if (!safe)
		return error_set(err, ENOMEM, "out of memory");
	uint64_t bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
	table_line(diff->table);
	table_set(diff->table, "change", "%s", change);
	table_set(diff->table, "what", "%s", what);
	table_set(diff->table, "type", "%s", type_name(st->st_mode));
	table_set(diff->table, "size", "%s", rootfs_format_size(size, sizeof(size), bytes));
	table_set(diff->table, "bytes", "%" PRIu64, bytes);
	table_set_text(diff->table, "path", text_escape(safe, room, path));
	return 0;
}

/* An opaque directory, or one below it: what the image has in it and the layer has not is gone. */
static int add_hidden(struct diff *diff, const struct layer_entry *entry, struct carrel_error *err)
{
	_cleanup_close_ int mine = openat(entry->dirfd, entry->name,
					  O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int image = openat(entry->under[0].dirfd, entry->name,
					   O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = image < 0 || mine < 0 ? NULL : fs_opendir(image);
	struct dirent *below;
	struct stat st;
	int r = 0;

	if (!dir)
		return error_errno(err, "cannot open a directory of the image");
	while (r == 0 && (below = readdir(dir))) {
		_cleanup_free_ char *path = NULL;
		if (strcmp(below->d_name, ".") == 0 || strcmp(below->d_name, "..") == 0 ||
		    faccessat(mine, below->d_name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (fstatat(image, below->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    asprintf(&path, "%s/%s", entry->path[1] ? entry->path : "", below->d_name) < 0) {
			path = NULL;
			return error_errno(err, "cannot look at a file of the image");
		}
		r = add(diff, "deleted", "", &st, path, err);
	}
	return r;
}

static int compare(struct diff *diff, const struct layer_entry *entry, struct carrel_error *err)
{
	static const char *const what[] = {
		[LAYER_ATTRIBUTES] = "attributes",
		[LAYER_CONTENT] = "content",
		[LAYER_TYPE] = "type",
	};
	const struct layer_place mine = { entry->dirfd, entry->name, &entry->st, diff->ids.uid_base,
					  diff->ids.gid_base };
	const struct layer_place image = { entry->under[0].dirfd, entry->name, &entry->under[0].st, 0, 0 };
	int r = layer_compare(&mine, &image, err);

	if (r < 0)
		return error_context(err, "'%s'", entry->path);
	return r == LAYER_SAME ? 0 : add(diff, "changed", what[r], &entry->st, entry->path, err);
}

static int visit(const struct layer_entry *entry, void *arg, struct carrel_error *err)
{
	struct diff *diff = arg;
	bool there = entry->under[0].there;

	if (entry->whiteout)
		return there ? add(diff, "deleted", "", &entry->under[0].st, entry->path, err) : 0;
	if (!there)
		return add(diff, "added", "", &entry->st, entry->path, err);
	int r = compare(diff, entry, err);
	if (r == 0 && (entry->opaque || entry->hidden) && S_ISDIR(entry->st.st_mode) &&
	    S_ISDIR(entry->under[0].st.st_mode))
		r = add_hidden(diff, entry, err);
	return r;
}

static int walk(struct diff *diff, struct rootfs *rootfs, struct carrel_error *err)
{
	if (!rootfs->image[0])
		return 0;
	_cleanup_close_ int image = image_open(rootfs->image, err);
	if (image < 0)
		return image;
	int r = idmap_read(rootfs->lock_fd, &diff->ids, err);
	if (r < 0)
		return r;
	_cleanup_close_ int upper = openat(rootfs->content_fd, "upper",
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open 'upper'");
	return layer_walk(upper, &image, 1, visit, diff, err);
}

int verb_rootfs_diff(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	struct diff diff = { 0 };

	if (rootfs_find(&rootfs, args->words[0], &err) < 0 || rootfs_look(&rootfs, &err) < 0)
		return ctl_fail(&err);
	diff.table = table_new("diff", args->options & CTL_JSON, columns);
	int status = walk(&diff, &rootfs, &err) < 0 ? ctl_fail(&err) : table_print(diff.table);
	table_free(diff.table);
	if (diff.left_out)
		ctl_warning(
			"%" PRIu64
			" more differences are not listed: there are too many, or their paths are too long",
			diff.left_out);
	return status;
}
