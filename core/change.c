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

static int remove_below(struct change *c, const char *name, struct carrel_error *err)
{
	int r = fs_remove_tree(c->storage_fd, name);

	return r < 0 ? error_set(err, -r, "cannot remove '%s' of uid %u: %s", name, c->uid, strerror(-r)) : 0;
}

static bool is_there(int dirfd, const char *name)
{
	return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int open_dir(int dirfd, const char *name)
{
	int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/*
 * One of upper, work and home: the old one to OLD, the staged one to its place. While the staged one is there, it is still to
 * be done, and then OLD has no such part from before, since it was removed before anything was staged.
 */
static int replace_part(struct change *c, int staging, int old, const char *part, struct carrel_error *err)
{
	if (!is_there(staging, part))
		return 0;
	if (is_there(c->storage_fd, part) && renameat(c->storage_fd, part, old, part) < 0)
		return error_errno(err, "cannot move the old '%s' of uid %u", part, c->uid);
	if (renameat(staging, part, c->storage_fd, part) < 0)
		return error_errno(err, "cannot move the new '%s' of uid %u", part, c->uid);
	return 0;
}

static int carry_out_replace(struct change *c, struct carrel_error *err)
{
	_cleanup_close_ int staging = open_dir(c->storage_fd, STAGING);
	int r = 0;

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

	if (all < 0)
		return all;
	if (is_there(c->storage_fd, STAGING) && renameat(c->storage_fd, STAGING, all, c->snapshot.name) < 0)
		return error_errno(err, "cannot give the snapshot '%s' its name", c->snapshot.name);
	return snapshot_write(c->user_fd, &c->snapshot, err);
}

/* The record first: without it the rest is no snapshot any more. */
static int carry_out_drop(struct change *c, struct carrel_error *err)
{
	char record[sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX];

	(void)snprintf(record, sizeof(record), SNAPSHOT_PREFIX "%s", c->snapshot.name);
	if (unlinkat(c->user_fd, record, 0) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove the snapshot '%s'", c->snapshot.name);
	_cleanup_close_ int all = open_dir(c->storage_fd, SNAPSHOTS);
	int r = all < 0 ? (all == -ENOENT ? 0 : all) : fs_remove_tree(all, c->snapshot.name);
	return r < 0 ? error_set(err, -r, "cannot remove the snapshot '%s': %s", c->snapshot.name,
				 strerror(-r))
		     : 0;
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
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(c->verb, verbs[i].verb) != 0)
			continue;
		int r = verbs[i].carry_out(c, err);
		/* The renames, before the journal that says how to repeat them goes. */
		if (r == 0 && fsync(c->storage_fd) < 0)
			r = error_errno(err, "cannot write the files of uid %u to disk", c->uid);
		return r;
	}
	return error_set(err, EBADMSG, "the journal of uid %u has an unknown verb", c->uid);
}

/* Nothing but what is in place is needed any more. */
static int finish(struct change *c, struct carrel_error *err)
{
	int r = remove_below(c, STAGING, err);

	if (r == 0)
		r = remove_below(c, OLD, err);
	if (r == 0 && unlinkat(c->user_fd, JOURNAL, 0) < 0 && errno != ENOENT)
		r = error_errno(err, "cannot remove the journal of uid %u", c->uid);
	return r;
}

/* Files that were being written, under names that fs_replace_at made up. Returns how many. */
static int find_temporaries(int user_fd, bool remove)
{
	static const char *const files[] = { "." JOURNAL ".", "." STATE_IMAGE ".", "." STATE_OWNER ".",
					     "." STATE_OUTCOME ".", "." SNAPSHOT_PREFIX };
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

bool change_remains(int user_fd)
{
	return change_pending(user_fd) || find_temporaries(user_fd, false) > 0;
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
	if (r < 0 || strcmp(verb, CHANGE_DROP) == 0)
		return r;
	r = storage_make_room(&c->room, user_fd, c->storage_fd, err);
	c->staging_fd = r < 0 ? r : storage_stage(&c->room, c->storage_fd, STAGING, err);
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
	r = give_back(c, r, err);
	close_fd(&c->staging_fd);
	close_fd(&c->storage_fd);
	return r;
}
