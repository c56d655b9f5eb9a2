/* rootfs_user.c - see rootfs.h: from a word to a locked state directory. */
#include "rootfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/storage.h"
#include "core/text.h"
#include "core/vault.h"
#include "core/wire.h"

#define LOCK_TIMEOUT_MS 10000
#define END_TIMEOUT_MS	20000

void rootfs_close(struct rootfs *rootfs)
{
	close_fd(&rootfs->content_fd);
	close_fd(&rootfs->lock_fd);
	close_fd(&rootfs->users_fd);
}

const char *rootfs_user(const struct rootfs *rootfs, char *buf, size_t size)
{
	if (rootfs->owner.name[0])
		return text_escape(buf, size, rootfs->owner.name);
	(void)snprintf(buf, size, "%u", rootfs->uid);
	return buf;
}

/* The state's own files, which may be missing or damaged: `list` shows it all the same. */
static void read_facts(struct rootfs *rootfs)
{
	_cleanup_close_ int fd = openat(rootfs->users_fd, rootfs->dir,
					O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || state_read_owner(fd, &rootfs->owner, NULL) < 0)
		rootfs->owner.name[0] = '\0';
	if (fd < 0 || state_read_image(fd, rootfs->image, NULL) < 0)
		rootfs->image[0] = '\0';
}

static int open_users(struct carrel_error *err)
{
	int fd = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_errno(err, "cannot open '" CARREL_USERS "'") : fd;
}

static int open_state(struct rootfs *rootfs, struct carrel_error *err)
{
	struct stat st;

	rootfs->users_fd = open_users(err);
	if (rootfs->users_fd < 0)
		return rootfs->users_fd == -ENOENT
			       ? error_set(err, ENOENT, "nobody has a root filesystem yet")
			       : rootfs->users_fd;
	if (fstatat(rootfs->users_fd, rootfs->dir, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
		return -ENOENT;
	read_facts(rootfs);
	return 0;
}

int rootfs_find(struct rootfs *rootfs, const char *word, struct carrel_error *err)
{
	const struct passwd *entry = getpwnam(word);
	char safe[128];

	text_escape(safe, sizeof(safe), word);
	if (entry) {
		rootfs->uid = entry->pw_uid;
		(void)snprintf(rootfs->dir, sizeof(rootfs->dir), "%u", rootfs->uid);
	} else if (!state_name_valid(word, &rootfs->uid, &rootfs->kept)) {
		return error_set(err, ENOENT, "there is no user '%s'", safe);
	} else {
		(void)snprintf(rootfs->dir, sizeof(rootfs->dir), "%s", word);
	}
	int r = open_state(rootfs, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT,
				 rootfs->kept ? "there is no root filesystem '%s'"
					      : "'%s' has no root filesystem: it is made at the first login",
				 safe);
	/* By name somebody means the account; what is there may be another's who had the uid before. */
	if (r == 0 && entry && rootfs->owner.name[0] && strcmp(rootfs->owner.name, word) != 0)
		return error_set(
			err, EEXIST,
			"the root filesystem of uid %u is that of '%s', who had it before '%s': name it "
			"by the number",
			rootfs->uid, text_escape(safe, sizeof(safe), rootfs->owner.name), word);
	return r;
}

int rootfs_find_uid(struct rootfs *rootfs, uid_t uid, struct carrel_error *err)
{
	rootfs->uid = uid;
	(void)snprintf(rootfs->dir, sizeof(rootfs->dir), "%u", uid);
	int r = open_state(rootfs, err);
	return r == -ENOENT ? error_set(err, ENOENT, "uid %u has no root filesystem", uid) : r;
}

/* A state kept aside has no sessions. */
static int count_live(const struct rootfs *rootfs, struct carrel_error *err)
{
	return rootfs->kept ? 0 : session_count_live(rootfs->uid, err);
}

/* Those without a keeper are cleared away, and with `kill` the others ended. */
static int end_sessions(const struct rootfs *rootfs, bool kill, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int n = rootfs->kept ? 0 : session_list(rootfs->uid, &ids, err);

	for (int i = 0; i < n; i++) {
		int r = session_alive(ids[i], err);
		if (r == 0)
			r = gc_close_session(ids[i], err);
		else if (r > 0 && kill &&
			 (r = session_end(ids[i], CONTROL_KILL, END_TIMEOUT_MS, err)) == -ENOENT)
			r = 0; /* it has ended by itself */
		if (r < 0)
			return r;
	}
	return n < 0 ? n : 0;
}

static int refuse_live(struct rootfs *rootfs, struct carrel_error *err)
{
	char user[128];
	int live = count_live(rootfs, err);

	if (live <= 0)
		return live;
	return error_set(err, EBUSY, "user '%s' has %d open session%s (--kill ends %s)",
			 rootfs_user(rootfs, user, sizeof(user)), live, live == 1 ? "" : "s",
			 live == 1 ? "it" : "them");
}

/* Nobody uses it and the lock is held: no mount of a killed keeper may be left either. */
static int release(struct rootfs *rootfs, struct carrel_error *err)
{
	return rootfs->kept ? 0 : vault_release(rootfs->uid, err);
}

static int recover(struct rootfs *rootfs, struct carrel_error *err)
{
	int r = change_recover(rootfs->lock_fd, rootfs->uid, err);

	read_facts(rootfs);
	return r;
}

/* One try: -EBUSY when a session is there, or has begun before the lock was had. */
static int take(struct rootfs *rootfs, bool kill, struct carrel_error *err)
{
	int r = kill ? 0 : refuse_live(rootfs, err);

	if (r == 0)
		r = end_sessions(rootfs, kill, err);
	if (r < 0)
		return r;
	rootfs->lock_fd = state_lock(rootfs->users_fd, rootfs->dir, LOCK_TIMEOUT_MS, err);
	if (rootfs->lock_fd < 0)
		return rootfs->lock_fd;
	r = refuse_live(rootfs, err);
	if (r < 0)
		close_fd(&rootfs->lock_fd);
	return r;
}

int rootfs_take_as_is(struct rootfs *rootfs, bool kill, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + END_TIMEOUT_MS;
	int r;

	/* Somebody who logs in again and again may be quicker than we are, but not for ever: we wait for the lock in turn. */
	do {
		r = take(rootfs, kill, err);
	} while (r == -EBUSY && kill && fs_now_ms() < deadline);
	return r < 0 ? r : release(rootfs, err);
}

int rootfs_take(struct rootfs *rootfs, bool kill, struct carrel_error *err)
{
	int r = rootfs_take_as_is(rootfs, kill, err);

	return r < 0 ? r : recover(rootfs, err);
}

int rootfs_look(struct rootfs *rootfs, struct carrel_error *err)
{
	rootfs->lock_fd = state_lock(rootfs->users_fd, rootfs->dir, LOCK_TIMEOUT_MS, err);
	if (rootfs->lock_fd < 0)
		return rootfs->lock_fd;
	rootfs->live = count_live(rootfs, err);
	if (rootfs->live < 0)
		return rootfs->live;
	/* An ephemeral session uses none of it. While there are only such ones it is looked at as if there were none. */
	rootfs->content_fd = rootfs->live > 0 ? vault_open_state(rootfs->uid, err) : -ENOENT;
	rootfs->mounted = rootfs->content_fd != -ENOENT;
	if (rootfs->mounted) {
		/* Under the sessions nothing is replaced, and others may log in while we look. */
		close_fd(&rootfs->lock_fd);
		rootfs->lock_fd = openat(rootfs->users_fd, rootfs->dir,
					 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return rootfs->content_fd < 0 ? rootfs->content_fd : 0;
	}
	int r = release(rootfs, err);
	if (r == 0)
		r = recover(rootfs, err);
	if (r < 0)
		return r;
	rootfs->content_fd = storage_open(rootfs->lock_fd, rootfs->uid, err);
	return rootfs->content_fd < 0 ? rootfs->content_fd : 0;
}

static int is_state(const struct dirent *entry)
{
	uid_t uid;
	bool kept;

	return state_name_valid(entry->d_name, &uid, &kept);
}

static int by_uid(const struct dirent **a, const struct dirent **b)
{
	unsigned long ua = strtoul((*a)->d_name, NULL, 10), ub = strtoul((*b)->d_name, NULL, 10);

	return ua != ub ? (ua < ub ? -1 : 1) : strcmp((*a)->d_name, (*b)->d_name);
}

static int visit_one(const char *dir,
		     int (*visit)(struct rootfs *rootfs, void *arg, struct carrel_error *err), void *arg,
		     struct carrel_error *err)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;

	(void)snprintf(rootfs.dir, sizeof(rootfs.dir), "%s", dir);
	(void)state_name_valid(dir, &rootfs.uid, &rootfs.kept);
	int r = open_state(&rootfs, err);
	return r == -ENOENT ? 0 : r < 0 ? r : visit(&rootfs, arg, err);
}

int rootfs_each(int (*visit)(struct rootfs *rootfs, void *arg, struct carrel_error *err), void *arg,
		struct carrel_error *err)
{
	struct dirent **entries = NULL;
	int r = 0, n = scandir(CARREL_USERS, &entries, is_state, by_uid);

	if (n < 0 && errno != ENOENT)
		return error_errno(err, "cannot read '" CARREL_USERS "'");
	for (int i = 0; i < n; i++) {
		if (r == 0)
			r = visit_one(entries[i]->d_name, visit, arg, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}
