/* image_remove.c - `carrelctl image remove`: only when nobody's root filesystem is built on it. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/image.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/state.h"
#include "ctl.h"
#include "image_staging.h"

#define NAMED_MAX 3 /* users to name in a refusal */

/*
 * Whether the user whose state directory this is was given the image, or has a snapshot on it, or will when an interrupted change has been
 * carried out. 1, 0, or -errno: what cannot be read may say so.
 */
static int is_pinned(int users_fd, const char *state, const char *image, struct carrel_error *err)
{
	_cleanup_free_ struct snapshot *list = NULL;
	char pinned[IMAGE_NAME_MAX + 1];
	_cleanup_close_ int fd = openat(users_fd, state, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : error_errno(err, "cannot open it");
	/* The change comes first: somebody may be carrying it out. */
	int r = change_image(fd, pinned, err);
	if (r == 0 && strcmp(pinned, image) == 0)
		return 1;
	if (r == 0 || r == -ENOENT)
		r = state_read_image(fd, pinned, err);
	if (r == 0 && strcmp(pinned, image) == 0)
		return 1;
	if (r < 0 && r != -ENOENT)
		return r;
	int n = snapshot_list(fd, &list, err);
	for (int i = 0; i < n; i++)
		if (strcmp(list[i].image, image) == 0)
			return 1;
	return n < 0 ? n : 0;
}

/* How many users are pinned to the image; the first few are named in `names`. Or -errno. */
static int count_pinned(const char *image, char *names, size_t size, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = opendir(CARREL_USERS);
	struct dirent *entry;
	size_t used = 0;
	int count = 0;

	names[0] = '\0';
	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '%s'", CARREL_USERS);
	for (errno = 0; (entry = readdir(dir)); errno = 0) {
		int pinned = entry->d_name[0] == '.' ? 0 : is_pinned(dirfd(dir), entry->d_name, image, err);
		if (pinned < 0)
			return error_context(err, "which image uid %s has is not known", entry->d_name);
		if (!pinned)
			continue;
		if (count++ < NAMED_MAX && used < size)
			used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "",
						 entry->d_name);
	}
	return errno ? error_errno(err, "cannot read '%s'", CARREL_USERS) : count;
}

static int refuse_pinned(const char *image, struct carrel_error *err)
{
	char names[128], more[32] = "";
	int n = count_pinned(image, names, sizeof(names), err);

	if (n <= 0)
		return n;
	if (n > NAMED_MAX)
		(void)snprintf(more, sizeof(more), " and %d more", n - NAMED_MAX);
	return error_set(
		err, EBUSY,
		"image '%s' is what the root filesystem of uid %s%s is built on (--force removes it)", image,
		names, more);
}

/* With --force: only a session that is using it now is in the way. */
static int refuse_live(const char *image, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int n = session_list((uid_t)-1, &ids, err);

	for (int i = 0; i < n; i++) {
		struct session_record record;
		int alive = session_alive(ids[i], err);
		if (alive < 0)
			return alive;
		if (!alive)
			continue;
		/* One that is not open yet has its image locked, as we have this one, if it has one at all. */
		if (session_read(ids[i], &record, NULL) < 0 ||
		    (record.init && strcmp(record.image, image) == 0))
			return error_set(err, EBUSY, "session '%s' is using image '%s'", ids[i], image);
	}
	return n < 0 ? n : 0;
}

/* Sessions first: one that ends in between has left what it is pinned to. */
static int refuse_used(const char *image, struct carrel_error *err)
{
	int r = refuse_live(image, err);

	return r < 0 ? r : refuse_pinned(image, err);
}

int verb_image_remove(const struct ctl_args *args)
{
	const char *name = args->words[0];
	struct carrel_error err = { 0 };

	if (!image_name_valid(name))
		return ctl_usage("'%s' is not a name for an image", name);
	int (*in_use)(const char *, struct carrel_error *) = args->options & CTL_FORCE ? refuse_live
										       : refuse_used;
	/* Once without a lock: where it has many users, those who log in shall not wait until all were looked at. */
	int r = in_use(name, &err);
	if (r == 0)
		r = staging_retire(name, in_use, &err);
	return r < 0 ? ctl_fail(&err) : CTL_DONE;
}
