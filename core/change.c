/*
 * change.c - see change.h: the journal, and what is done by it. Run by carrelctl and the keeper, as root.
 */
#include "change.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "change_internal.h"
#include "cleanup.h"
#include "keyed.h"
#include "state.h"

#define JOURNAL "journal"
#define REMAINS "remains" /* change_sweep() has something to do */
#define OLD	".old"

#define FIELD(member, kind) KEYED_FIELD(struct change, member, kind)

static const struct keyed_field journal_fields[] = {
	FIELD(verb, KEYED_STRING),	     FIELD(committed, KEYED_NUMBER),
	FIELD(snapshot.name, KEYED_STRING),  FIELD(snapshot.image, KEYED_STRING),
	FIELD(snapshot.by, KEYED_STRING),    FIELD(snapshot.taken, KEYED_NUMBER),
	FIELD(snapshot.bytes, KEYED_NUMBER), FIELD(snapshot.entries, KEYED_NUMBER),
};

/* What a change can replace, in the order in which it is done. */
static const char *const parts[] = { "upper", "work", "home" };

static int write_journal(struct change *c, struct carrel_error *err)
{
	char text[KEYED_MAX];
	ssize_t size = keyed_format(text, sizeof(text), journal_fields, ARRAY_SIZE(journal_fields), c);
	int r = size < 0 ? (int)size : fs_replace_at(c->user_fd, JOURNAL, text, (size_t)size, 0600);

	return r < 0 ? error_set(err, -r, "cannot write the journal of uid %u: %s", c->uid, strerror(-r)) : 0;
}

/* -ENOENT: there is none. */
static int read_journal(struct change *c, struct carrel_error *err)
{
	char text[KEYED_MAX];
	ssize_t n = fs_read_at(c->user_fd, JOURNAL, text, sizeof(text));

	if (n < 0)
		return error_set(err, (int)-n, "cannot read the journal of uid %u: %s", c->uid,
				 strerror((int)-n));
	int r = strlen(text) == (size_t)n
			? keyed_parse(text, journal_fields, ARRAY_SIZE(journal_fields), c, err)
			: error_set(err, EBADMSG, "there is a NUL in it");
	return r < 0 ? error_context(err, "the journal of uid %u is damaged", c->uid) : 0;
}

/*
 * Out of the way of this change and all others, with one rename: removing takes longer, and may fail. A missing name is success.
 */
static int put_away(struct change *c, int dirfd, const char *name, struct carrel_error *err)
{
	char aside[sizeof(STORAGE_REMOVED) + 10];

	for (unsigned i = 0;; i++) {
		(void)snprintf(aside, sizeof(aside), STORAGE_REMOVED "%u", i);
		if (renameat2(dirfd, name, c->storage_fd, aside, RENAME_NOREPLACE) == 0 || errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return error_errno(err, "cannot put '%s' of uid %u out of the way", name, c->uid);
	}
}

static int sweep_dir(struct change *c, int dirfd, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(dirfd);
	int r = dir ? 0 : error_errno(err, "cannot read the directory with the files of uid %u", c->uid);

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (strncmp(entry->d_name, STORAGE_REMOVED, strlen(STORAGE_REMOVED)) != 0)
			continue;
		int removed = fs_remove_tree(dirfd, entry->d_name);
		if (removed < 0 && r == 0)
			r = error_set(err, -removed, "cannot remove '%s' of uid %u: %s", entry->d_name,
				      c->uid, strerror(-removed));
	}
	return r;
}

/* Remove what was put away. Goes on after a failure. */
static int sweep(struct change *c, struct carrel_error *err)
{
	int r = sweep_dir(c, c->storage_fd, err);

	/* By a change before the files were moved into an image. */
	if (r == 0)
		r = sweep_dir(c, c->user_fd, err);
	if (r == 0 && unlinkat(c->user_fd, REMAINS, 0) < 0 && errno != ENOENT)
		r = error_errno(err, "cannot remove '" REMAINS "' of uid %u", c->uid);
	return r;
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * One of upper, work and home: the old one to OLD, the staged one to its place. While the staged one is there, it is still to
 * be done; and when the old one is in its place as well, what OLD has of that name is of an earlier change.
 */
static int replace_part(struct change *c, int staging, int old, const char *part, struct carrel_error *err)
{
	int r = fs_exists(staging, part, err);

	if (r <= 0)
		return r;
	r = fs_exists(c->storage_fd, part, err);
	if (r > 0) {
		r = put_away(c, old, part, err);
		if (r == 0 && renameat(c->storage_fd, part, old, part) < 0)
			r = error_errno(err, "cannot move the old '%s' of uid %u", part, c->uid);
	}
	if (r == 0 && renameat(staging, part, c->storage_fd, part) < 0)
		r = error_errno(err, "cannot move the new '%s' of uid %u", part, c->uid);
	return r;
}

static int carry_out_replace(struct change *c, struct carrel_error *err)
{
	_cleanup_close_ int staging = open_dir(c->storage_fd, STAGING);
	int r = 0;

	if (staging < 0 && staging != -ENOENT)
		return error_set(err, -staging, "cannot open '" STAGING "' of uid %u: %s", c->uid,
				 strerror(-staging));
	if (staging >= 0) {
		int made = fs_ensure_dir_at(c->storage_fd, OLD, 0700, 0, 0, err);
		if (made < 0)
			return made;
		_cleanup_close_ int old = made;
		for (size_t i = 0; r == 0 && i < ARRAY_SIZE(parts); i++)
			r = replace_part(c, staging, old, parts[i], err);
	}
	return r < 0 || !c->snapshot.image[0] ? r : state_write_image(c->user_fd, c->snapshot.image, err);
}

static int carry_out_snapshot(struct change *c, struct carrel_error *err)
{
	_cleanup_close_ int all = fs_ensure_dir_at(c->storage_fd, SNAPSHOTS, 0700, 0, 0, err);
	int r = all < 0 ? all : fs_exists(c->storage_fd, STAGING, err);

	if (r > 0) {
		/* While it is staged it has no record yet, and what has its name is none either. */
		r = put_away(c, all, c->snapshot.name, err);
		if (r == 0 && renameat(c->storage_fd, STAGING, all, c->snapshot.name) < 0)
			r = error_errno(err, "cannot give the snapshot '%s' its name", c->snapshot.name);
	}
	return r < 0 ? r : snapshot_write(c->user_fd, &c->snapshot, err);
}

/* The record first: without it the rest is no snapshot any more. */
static int carry_out_drop(struct change *c, struct carrel_error *err)
{
	char record[sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX];

	(void)snprintf(record, sizeof(record), SNAPSHOT_PREFIX "%s", c->snapshot.name);
	if (unlinkat(c->user_fd, record, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the snapshot '%s'", c->snapshot.name);
	_cleanup_close_ int all = open_dir(c->storage_fd, SNAPSHOTS);
	if (all < 0 && all != -ENOENT)
		return error_set(err, -all, "cannot open the snapshots of uid %u: %s", c->uid,
				 strerror(-all));
	return all < 0 ? 0 : put_away(c, all, c->snapshot.name, err);
}

static const struct {
	const char *verb;
	int (*carry_out)(struct change *c, struct carrel_error *err);
} verbs[] = {
	{ CHANGE_REPLACE, carry_out_replace },
	{ CHANGE_SNAPSHOT, carry_out_snapshot },
	{ CHANGE_DROP, carry_out_drop },
};

static int carry_out(struct change *c, struct carrel_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(c->verb, verbs[i].verb) == 0)
			return verbs[i].carry_out(c, err);
	return error_set(err, EBADMSG, "the journal of uid %u has an unknown verb", c->uid);
}

/*
 * Nothing but what is in place is needed any more. The journal may go when the renames are on disk, of which it says how to repeat
 * them: those in an image are on another filesystem, which does not keep to any order with the one of the journal.
 */
static int finish(struct change *c, struct carrel_error *err)
{
	int r = put_away(c, c->storage_fd, STAGING, err);

	if (r == 0)
		r = put_away(c, c->storage_fd, OLD, err);
	if (r == 0 && (c->room.in_image ? syncfs(c->storage_fd) : fsync(c->storage_fd)) < 0)
		r = error_errno(err, "cannot write the files of uid %u to disk", c->uid);
	/* Should there be no room for another name, the next change does what REMAINS asks for. */
	if (r == 0 && renameat(c->user_fd, JOURNAL, c->user_fd, REMAINS) < 0 &&
	    unlinkat(c->user_fd, JOURNAL, 0) < 0 && errno != ENOENT)
		r = error_errno(err, "cannot remove the journal of uid %u", c->uid);
	return r;
}

/* Files that were being written, under names that fs_replace_at made up. Returns how many. */
static int find_temporaries(int user_fd, bool remove)
{
	static const char *const files[] = { "." JOURNAL ".",	    "." STATE_IMAGE ".", "." STATE_OWNER ".",
					     "." STATE_OUTCOME ".", "." STATE_IDS ".",	 "." STATE_FAULTS ".",
					     "." SNAPSHOT_PREFIX };
	_cleanup_dir_ DIR *dir = fs_opendir(user_fd);
	struct dirent *entry;
	int count = 0;

	while (dir && (entry = readdir(dir))) {
		for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
			if (strncmp(entry->d_name, files[i], strlen(files[i])) != 0)
				continue;
			count++;
			if (remove)
				(void)unlinkat(user_fd, entry->d_name, 0);
		}
	}
	return count;
}

/* Returns `result` or, when all went well so far, -errno. */
static int give_back(struct change *c, int result, struct carrel_error *err)
{
	struct carrel_error later = { 0 };

	if (c->storage_fd < 0 || storage_give_back(&c->room, c->storage_fd, &later) == 0 || result < 0)
		return result;
	return error_set(err, later.code, "%s", later.msg);
}

bool change_pending(int user_fd)
{
	return faccessat(user_fd, JOURNAL, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT;
}

bool change_to_sweep(int user_fd)
{
	return faccessat(user_fd, REMAINS, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool change_remains(int user_fd)
{
	return change_pending(user_fd) || change_to_sweep(user_fd) || find_temporaries(user_fd, false) > 0;
}

int change_sweep(int user_fd, uid_t uid, struct carrel_error *err)
{
	struct change c = { .user_fd = user_fd, .uid = uid, .storage_fd = -EBADF, .staging_fd = -EBADF };

	if (!change_to_sweep(user_fd))
		return 0;
	c.storage_fd = storage_open(user_fd, uid, err);
	int r = c.storage_fd < 0 ? c.storage_fd : sweep(&c, err);
	close_fd(&c.storage_fd);
	return r;
}

int change_recover(int user_fd, uid_t uid, struct carrel_error *err)
{
	struct change c = { .user_fd = user_fd, .uid = uid, .storage_fd = -EBADF, .staging_fd = -EBADF };

	(void)find_temporaries(user_fd, true);
	int r = read_journal(&c, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	c.storage_fd = storage_open(user_fd, uid, err);
	if (c.storage_fd < 0)
		return c.storage_fd;
	r = storage_make_room(&c.room, user_fd, c.storage_fd, err);
	if (r == 0 && c.committed)
		r = carry_out(&c, err);
	if (r == 0)
		r = finish(&c, err);
	r = give_back(&c, r, err);
	close_fd(&c.storage_fd);
	return r < 0 ? error_context(err, "a change of the root filesystem was interrupted and cannot be %s",
				     c.committed ? "finished" : "undone")
		     : 0;
}

/*
 * What an earlier change has left, if an image came back from a power cut with less of it than the host's filesystem. It counts for
 * the user and its room may be needed.
 */
static int clear_the_way(struct change *c, struct carrel_error *err)
{
	struct carrel_error later = { 0 };
	int r = put_away(c, c->storage_fd, STAGING, err);

	if (r == 0)
		r = put_away(c, c->storage_fd, OLD, err);
	if (r == 0)
		(void)sweep(c, &later);
	return r;
}

int change_image(int user_fd, char image[IMAGE_NAME_MAX + 1], struct carrel_error *err)
{
	struct change c = { .user_fd = user_fd };
	int r = read_journal(&c, NULL);

	if (r < 0)
		return error_set(err, -r, "cannot read the journal: %s", strerror(-r));
	memcpy(image, c.snapshot.image, sizeof(c.snapshot.image));
	return c.committed && *image ? 0 : -ENOENT;
}

int change_begin(struct change *c, int user_fd, uid_t uid, const char *verb, struct carrel_error *err)
{
	*c = (struct change){ .user_fd = user_fd, .uid = uid, .storage_fd = -EBADF, .staging_fd = -EBADF };
	(void)snprintf(c->verb, sizeof(c->verb), "%s", verb);
	int r = change_recover(user_fd, uid, err);
	if (r < 0)
		return r;
	c->storage_fd = storage_open(user_fd, uid, err);
	if (c->storage_fd < 0)
		return c->storage_fd;
	r = write_journal(c, err);
	if (r == 0)
		r = storage_make_room(&c->room, user_fd, c->storage_fd, err);
	if (r == 0)
		r = clear_the_way(c, err);
	if (r < 0 || strcmp(verb, CHANGE_DROP) == 0)
		return r;
	c->staging_fd = storage_stage(&c->room, c->storage_fd, STAGING, err);
	return c->staging_fd < 0 ? c->staging_fd : 0;
}

int change_end(struct change *c, int result, struct carrel_error *err)
{
	struct carrel_error later = { 0 };
	int r = result;

	/* What takes the place of something else may be more, and is then all that can be written. */
	if (r == 0 && strcmp(c->verb, CHANGE_SNAPSHOT) == 0)
		r = storage_fits(&c->room, c->storage_fd, err);
	if (r == 0 && c->staging_fd >= 0 && syncfs(c->storage_fd) < 0)
		r = error_errno(err, "cannot write the files of uid %u to disk", c->uid);
	if (r == 0) {
		c->committed = 1;
		r = write_journal(c, err);
		if (r == 0)
			r = carry_out(c, err);
		if (r == 0)
			r = finish(c, err);
		if (r < 0)
			error_context(err, "the next login or 'carrelctl gc' tries again");
	} else if (c->storage_fd >= 0) {
		(void)finish(c, &later); /* else by the next one */
	}
	/* The change is made or undone; what is only waiting to be removed is no failure of it. */
	if (c->storage_fd >= 0 && !change_pending(c->user_fd))
		(void)sweep(c, &later);
	r = give_back(c, r, err);
	close_fd(&c->staging_fd);
	close_fd(&c->storage_fd);
	return r;
}
