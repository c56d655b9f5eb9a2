/*
 * rootfs_upgrade.c - `carrelctl rootfs upgrade`: a user's changes moved from one image to another.
 *
 * What the user changed, added or deleted stays as they have it. What was only copied up, and what they have as the new image has it,
 * goes out of their layer, so that the new image shows. A conflict is a place that both the user and the new image changed: the user's
 * stays, and it is listed, before anything is done.
 *
 * On to the image that it is on already is right after that was imported anew, or the user's files came from a backup: an overlay's
 * references to files are those of one very filesystem, and are left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/array.h"
#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "core/text.h"
#include "ctl.h"
#include "layer.h"
#include "rootfs.h"
#include "table.h"

enum { OLD, NEW };

static const struct table_column columns[] = {
	{ "user", TABLE_BOTH },
	{ "image", TABLE_BOTH },
	{ "path", TABLE_BOTH },
	{ NULL, 0 },
};

struct upgrade {
	struct idmap ids;
	int images[2];
	int held[2];	     /* so that nobody removes them meanwhile */
	struct table *table; /* to list conflicts, or NULL: then the entries are changed */
	unsigned conflicts;
	char **dirs; /* copied up and nothing else: removed when nothing is left in them */
	size_t count;
};

static int add_conflict(struct upgrade *up, const struct layer_entry *entry, const char *user,
			const char *image, struct carrel_error *err)
{
	size_t room = strlen(entry->path) * 4 + 1;

	up->conflicts++;
	if (!up->table)
		return 0;
	_cleanup_free_ char *safe = malloc(room);
	if (!safe)
		return error_set(err, ENOMEM, "out of memory");
	table_line(up->table);
	table_set(up->table, "user", "%s", user);
	table_set(up->table, "image", "%s", image);
	table_set_text(up->table, "path", text_escape(safe, room, entry->path));
	return 0;
}

static struct layer_place place_of_user(const struct upgrade *up, const struct layer_entry *entry)
{
	return (struct layer_place){ entry->dirfd, entry->name, &entry->st, up->ids.uid_base,
				     up->ids.gid_base };
}

static struct layer_place place_of_image(const struct layer_entry *entry, int which)
{
	return (struct layer_place){ entry->under[which].dirfd, entry->name, &entry->under[which].st, 0, 0 };
}

static int differs_from_first(const struct layer_entry *entry, void *arg, struct carrel_error *err)
{
	const struct layer_place a = { entry->dirfd, entry->name, &entry->st, 0, 0 };
	const struct layer_place b = place_of_image(entry, 0);

	(void)arg;
	if (!entry->under[0].there)
		return 1;
	int r = layer_compare(&a, &b, err);
	return r < 0 ? r : r != LAYER_SAME;
}

/* Whether the images differ at a place; of directories with all in them when `deep`. 0, 1, -errno. */
static int images_differ(const struct layer_entry *entry, bool deep, struct carrel_error *err)
{
	const struct layer_place old = place_of_image(entry, OLD), new = place_of_image(entry, NEW);

	if (entry->under[OLD].there != entry->under[NEW].there)
		return 1;
	if (!entry->under[OLD].there)
		return 0;
	int r = layer_compare(&old, &new, err);
	if (r != LAYER_SAME || !deep || !S_ISDIR(old.st->st_mode))
		return r < 0 ? r : r != LAYER_SAME;
	_cleanup_close_ int a = openat(old.dirfd, old.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int b = openat(new.dirfd, new.name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a < 0 || b < 0)
		return error_errno(err, "cannot open a directory of the images");
	r = layer_walk(a, &b, 1, differs_from_first, NULL, err);
	return r != 0 ? r : layer_walk(b, &a, 1, differs_from_first, NULL, err);
}

/* Out of the user's layer. */
static int drop(struct upgrade *up, const struct layer_entry *entry, struct carrel_error *err)
{
	if (up->table)
		return 0;
	return unlinkat(entry->dirfd, entry->name, 0) < 0
		       ? error_errno(err, "cannot remove '%s'", entry->path)
		       : 0;
}

static int visit_whiteout(struct upgrade *up, const struct layer_entry *entry, struct carrel_error *err)
{
	if (!entry->under[OLD].there || !entry->under[NEW].there)
		return drop(up, entry, err);
	int r = images_differ(entry, true, err);
	return r > 0 ? add_conflict(up, entry, "deleted", "changed", err) : r;
}

static int remember_dir(struct upgrade *up, const char *path, struct carrel_error *err)
{
	if (up->table)
		return 0;
	_cleanup_free_ char *copy = strdup(path);
	if (!copy || array_append(&up->dirs, &up->count, &copy, sizeof(copy)) < 0)
		return error_set(err, ENOMEM, "out of memory");
	steal_ptr(&copy);
	return 0;
}

/* A directory that the user has as the old image had it becomes as in the new one. */
static int follow_attributes(struct upgrade *up, const struct layer_entry *entry, struct carrel_error *err)
{
	const struct stat *st = &entry->under[NEW].st;

	if (up->table || !entry->under[NEW].there || !S_ISDIR(st->st_mode))
		return 0;
	if (fchownat(entry->dirfd, entry->name, st->st_uid + up->ids.uid_base, st->st_gid + up->ids.gid_base,
		     AT_SYMLINK_NOFOLLOW) < 0)
		return error_errno(err, "cannot change the owner of '%s'", entry->path);
	_cleanup_close_ int fd = openat(entry->dirfd, entry->name,
					O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 || fchmod(fd, st->st_mode & 07777) < 0
		       ? error_errno(err, "cannot change the mode of '%s'", entry->path)
		       : 0;
}

/*
 * A place that is the user's: a conflict if the images differ there. `user` is what the user did to what was there. A directory that they
 * made anew is one such place: what is in it is all theirs, and none of it may go for something that would not show.
 */
static int keep(struct upgrade *up, const struct layer_entry *entry, const char *user,
		struct carrel_error *err)
{
	bool in_old = entry->under[OLD].there, in_new = entry->under[NEW].there;
	int r = images_differ(entry, true, err);

	if (r <= 0)
		return r;
	return add_conflict(up, entry, in_old ? user : "added",
			    !in_old  ? "added"
			    : in_new ? "changed"
				     : "deleted",
			    err);
}

static int visit_directory(struct upgrade *up, const struct layer_entry *entry, struct carrel_error *err)
{
	const struct layer_place mine = place_of_user(up, entry), old = place_of_image(entry, OLD);
	bool in_old = entry->under[OLD].there && S_ISDIR(entry->under[OLD].st.st_mode);
	bool in_new = entry->under[NEW].there;
	int r = in_old ? layer_compare(&mine, &old, err) : LAYER_CONTENT;

	if (r < 0)
		return r;
	if (r == LAYER_SAME) {
		r = remember_dir(up, entry->path, err);
		if (r == 0)
			r = follow_attributes(up, entry, err);
	} else {
		r = 0;
	}
	if (r == 0 && in_new && !S_ISDIR(entry->under[NEW].st.st_mode))
		return add_conflict(up, entry, in_old ? "uses" : "added", "no directory", err);
	return r;
}

static int visit_file(struct upgrade *up, const struct layer_entry *entry, struct carrel_error *err)
{
	const struct layer_place mine = place_of_user(up, entry);
	const struct layer_place old = place_of_image(entry, OLD), new = place_of_image(entry, NEW);
	bool in_old = entry->under[OLD].there, in_new = entry->under[NEW].there;
	int r = in_old ? layer_compare(&mine, &old, err) : LAYER_TYPE;

	if (r == LAYER_SAME)
		return drop(up, entry, err);
	if (r >= 0 && in_new)
		r = layer_compare(&mine, &new, err);
	if (r < 0)
		return error_context(err, "'%s'", entry->path);
	if (in_new && r == LAYER_SAME)
		return drop(up, entry, err);
	return keep(up, entry, "changed", err);
}

/* The opaque directory stands for all that is in it. */
static int visit(const struct layer_entry *entry, void *arg, struct carrel_error *err)
{
	if (entry->hidden)
		return 0;
	return entry->whiteout		    ? visit_whiteout(arg, entry, err)
	       : entry->opaque		    ? keep(arg, entry, "replaced", err)
	       : S_ISDIR(entry->st.st_mode) ? visit_directory(arg, entry, err)
					    : visit_file(arg, entry, err);
}

/* From the deepest up, those that are empty by now. */
static void remove_empty(struct upgrade *up, int root)
{
	while (up->count > 0) {
		_cleanup_free_ char *path = up->dirs[--up->count];
		char *slash = strrchr(path, '/');
		if (!slash[1])
			continue;
		*slash = '\0';
		_cleanup_close_ int parent = fs_openat2(root, *path ? path + 1 : ".", O_PATH | O_DIRECTORY, 0,
							RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
		if (parent >= 0)
			(void)unlinkat(parent, slash + 1, AT_REMOVEDIR); /* one with something in it stays */
	}
	free(up->dirs);
	up->dirs = NULL;
}

/* For rootfs_rebase. */
static int rebase(int staging_fd, void *arg, struct carrel_error *err)
{
	struct upgrade *up = arg;
	_cleanup_close_ int upper = openat(staging_fd, "upper",
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (upper < 0)
		return error_errno(err, "cannot open the copy of 'upper'");
	unsigned listed = up->conflicts;
	up->conflicts = 0;
	int r = layer_walk(upper, up->images, 2, visit, up, err);
	remove_empty(up, upper);
	if (r == 0 && up->conflicts != listed)
		return error_set(err, EAGAIN,
				 "there are %u conflicts now and not %u: the user has changed something "
				 "meanwhile, look again",
				 up->conflicts, listed);
	return r;
}

static int list_conflicts(struct upgrade *up, struct rootfs *rootfs, struct carrel_error *err)
{
	_cleanup_rootfs_ struct rootfs look = ROOTFS_NONE;
	int r = rootfs_find(&look, rootfs->dir, err);

	if (r == 0)
		r = rootfs_look(&look, err);
	if (r == 0)
		r = idmap_read(look.lock_fd, &up->ids, err);
	if (r < 0)
		return r;
	_cleanup_close_ int upper = openat(look.content_fd, "upper",
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (upper < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open 'upper'");
	return layer_walk(upper, up->images, 2, visit, up, err);
}

static int open_images(struct upgrade *up, const struct rootfs *rootfs, const char *image,
		       struct carrel_error *err)
{
	if (!rootfs->image[0])
		return error_set(err, ENOENT, "there is no image to upgrade from: the first login gives one");
	for (int i = OLD; i <= NEW; i++) {
		const char *name = i == OLD ? rootfs->image : image;
		up->held[i] = image_lock(name, LOCK_SH, IMAGE_LOCK_MS, err);
		if (up->held[i] < 0)
			return up->held[i];
		up->images[i] = image_open(name, err);
		if (up->images[i] < 0)
			return up->images[i];
	}
	return 0;
}

static int carry_out(struct upgrade *up, struct rootfs *rootfs, const struct ctl_args *args,
		     struct carrel_error *err)
{
	char question[256], old[IMAGE_NAME_MAX + 1], user[128];

	(void)snprintf(
		question, sizeof(question),
		"the image below becomes '%s' instead of '%s'; in %u conflict%s the user's files stay.",
		args->image, rootfs->image, up->conflicts, up->conflicts == 1 ? "" : "s");
	memcpy(old, rootfs->image, sizeof(old));
	(void)fflush(stdout);
	int status = ctl_confirm(args, rootfs_user(rootfs, user, sizeof(user)), question);
	if (status)
		return status;
	if (rootfs_take(rootfs, args->options & CTL_KILL, err) < 0)
		return ctl_fail(err);
	/* While it was asked, somebody else may have done the same. */
	if (strcmp(old, rootfs->image) != 0)
		return ctl_fail((error_set(err, EAGAIN, "the image has changed meanwhile"), err));
	return rootfs_rebase(rootfs->lock_fd, rootfs->uid, args->image, rebase, up, err) < 0 ? ctl_fail(err)
											     : CTL_DONE;
}

static int upgrade(struct upgrade *up, struct rootfs *rootfs, const struct ctl_args *args)
{
	struct carrel_error err = { 0 };

	if (rootfs_find(rootfs, args->words[0], &err) < 0 || open_images(up, rootfs, args->image, &err) < 0)
		return ctl_fail(&err);
	up->table = table_new("conflicts", args->options & CTL_JSON, columns);
	int status = list_conflicts(up, rootfs, &err) < 0	   ? ctl_fail(&err)
		     : up->conflicts || (args->options & CTL_JSON) ? table_print(up->table)
								   : CTL_DONE;
	table_free(up->table);
	up->table = NULL;
	if (status || (args->options & CTL_DRY_RUN))
		return status;
	return carry_out(up, rootfs, args, &err);
}

int verb_rootfs_upgrade(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct upgrade up = { .images = { -EBADF, -EBADF }, .held = { -EBADF, -EBADF } };

	if (!args->image)
		return ctl_usage("say --image NAME: which image to go on to");
	if (!image_name_valid(args->image))
		return ctl_usage("'%s' is not a name for an image", args->image);
	int status = upgrade(&up, &rootfs, args);
	for (int i = OLD; i <= NEW; i++) {
		close_fd(&up.images[i]);
		close_fd(&up.held[i]);
	}
	return status;
}
