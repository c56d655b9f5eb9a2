/*
 * apply_storage.c - the part of `carrelctl apply` for user_limits.disk and .inodes: unlike the others they hold for users without
 * a session, too, and taking in files that are there already may take longer than a login may.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/policy.h"
#include "core/storage.h"
#include "core/text.h"
#include "core/user.h"
#include "core/vault.h"
#include "ctl.h"

#define OWNER_MAX	160
#define LOCK_TIMEOUT_MS 10000

/* The name in the file "owner", "<uid> <name> <time>". */
static bool owner_name(int users_fd, const char *uid, char *text, size_t size, const char **name)
{
	char path[64], *save = NULL;

	if (text_format(path, sizeof(path), "%s/owner", uid) < 0 ||
	    fs_read_at(users_fd, path, text, size) < 0)
		return false;
	const char *number = strtok_r(text, " ", &save);
	*name = strtok_r(NULL, " ", &save);
	return number && *name && strcmp(number, uid) == 0;
}

static int apply_locked(uid_t uid, const struct limits *limits, char *note, struct carrel_error *err)
{
	char path[64];

	(void)snprintf(path, sizeof(path), CARREL_USERS "/%u", uid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int r = fd < 0 ? -errno : fs_lock(fd, LOCK_TIMEOUT_MS);
	if (r < 0)
		return error_set(err, -r, "cannot lock '%s': %s", path, strerror(-r));
	/* Whoever made it is gone, since the lock is ours; and no session starts while there is one. */
	if (change_pending(fd)) {
		r = vault_release(uid, err);
		if (r == 0)
			r = change_recover(fd, uid, err);
		if (r == 0)
			(void)change_sweep(fd, uid, NULL);
	}
	return r < 0 ? r : storage_apply_locked(fd, uid, limits, note, err);
}

/* 0, or 1 when something is not as the config says; what it is has been said. */
static int apply_to(const struct config *config, const char *name, uid_t uid)
{
	struct user_facts facts = { 0 };
	struct carrel_error err = { 0 };
	struct policy policy = { 0 };
	char note[CARREL_ERROR_MAX] = "";

	int r = user_facts_get(name, &facts, &err);
	if (r == -ENOENT)
		return 0; /* an account that is gone */
	if (r == 0)
		r = policy_decide(config, &facts, &policy, &err);
	if (r == 0 && policy.covered && policy.mode == MODE_ENFORCE && facts.uid == uid)
		r = apply_locked(uid, &policy.user_limits, note, &err);
	user_facts_clear(&facts);
	if (*note)
		ctl_warning("'%s': %s", name, note);
	if (r == -EBUSY)
		ctl_warning("'%s': %s", name, err.msg);
	else if (r < 0)
		ctl_error("'%s': %s", name, err.msg);
	return r < 0 && r != -EBUSY;
}

int apply_storage(const struct config *config)
{
	int failed = 0, fd = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd < 0 && errno == ENOENT)
			return 0;
		ctl_error("cannot read '%s': %s", CARREL_USERS, strerror(errno));
		close_fd(&fd);
		return 1;
	}
	for (struct dirent *entry; (entry = readdir(dir));) {
		char text[OWNER_MAX];
		const char *name;

		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
		    owner_name(fd, entry->d_name, text, sizeof(text), &name))
			failed += apply_to(config, name, (uid_t)strtoul(entry->d_name, NULL, 10));
	}
	return failed;
}
