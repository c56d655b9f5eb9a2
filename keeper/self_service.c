/* self_service.c - see self_service.h: the keeper's side. As root, on the host. */
#include "self_service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/state.h"
#include "core/storage.h"
#include "core/text.h"
#include "core/vault.h"
#include "hostdir.h"
#include "rootfs.h"
#include "slot.h"

#define FILE_MAX      1024 /* bytes */
#define REQUESTS_MAX  8
#define SNAPSHOTS_MAX 16 /* of a user who makes them alone */

bool self_service_any(const struct policy *policy)
{
	return policy->self_service && policy->self_service[0] && policy->rootfs == ROOTFS_PERSISTENT;
}

static bool allows(const struct policy *policy, const char *what)
{
	for (const char *const *word = policy->self_service; *word; word++)
		if (strcmp(*word, what) == 0)
			return true;
	return false;
}

/* The home the session had, to be read. A descriptor, or -errno. */
static int open_home(struct keeper *k, struct carrel_error *err)
{
	bool host = k->policy.home == HOME_HOST;
	_cleanup_close_ int above = host ? hostdir_find_home(k, err)
					 : storage_open(k->user_fd, k->user.uid, err);

	if (above < 0)
		return above;
	int fd = openat(above, host ? "." : "home", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 && errno != ENOENT ? error_errno(err, "cannot open the home") : fd < 0 ? -ENOENT : fd;
}

/* Whether the sandbox's root or the user wrote it, and it is not what somebody could have them keep. */
static bool is_theirs(const struct keeper *k, const struct stat *st)
{
	bool owned = k->policy.home == HOME_HOST
			     ? st->st_uid == k->user.uid
			     : st->st_uid == k->ids.uid_base ||
				       st->st_uid == k->ids.uid_base + rootfs_inner_uid(k);

	return owned && S_ISREG(st->st_mode) && st->st_nlink == 1;
}

/*
 * A home of the host is left to what the user may do there: they can move anything in it to this name, also a directory of
 * root's that they could not empty. What is in a private home is theirs.
 */
static int remove_file(const struct keeper *k, int home)
{
	if (k->policy.home != HOME_HOST)
		return fs_remove_tree(home, SELF_SERVICE_FILE);
	setfsgid(k->user.gid);
	setfsuid(k->user.uid);
	int r = unlinkat(home, SELF_SERVICE_FILE, 0) < 0 && errno != ENOENT ? -errno : 0;
	setfsuid(0);
	setfsgid(0);
	return r;
}

/* Take the file out of the home: its text, or -ENOENT. It is gone then, or -errno. */
static ssize_t take_file(struct keeper *k, char *text, size_t size, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int home = open_home(k, err);
	if (home < 0)
		return home;
	_cleanup_close_ int fd = fs_open_child(home, SELF_SERVICE_FILE, O_RDONLY);
	if (fd == -ENOENT)
		return fd;
	ssize_t n = fd < 0 ? fd : fstat(fd, &st) < 0 ? -errno : 0;
	if (n == 0 && !is_theirs(k, &st))
		n = -EPERM;
	if (n == 0)
		n = fs_read_fd(fd, text, size);
	int r = remove_file(k, home);
	if (r < 0 || n < 0)
		return error_set(err, r < 0 ? -r : (int)-n, "cannot %s '%s' of the home: %s",
				 r < 0 ? "remove" : "read", SELF_SERVICE_FILE,
				 strerror(r < 0 ? -r : (int)-n));
	return strlen(text) == (size_t)n
		       ? n
		       : error_set(err, EBADMSG, "there is a NUL in '%s'", SELF_SERVICE_FILE);
}

static int take_snapshot(struct keeper *k, const char *name, struct carrel_error *err)
{
	struct snapshot *list = NULL;
	int n = snapshot_list(k->user_fd, &list, err);

	free(list);
	if (n >= SNAPSHOTS_MAX)
		return error_set(err, EDQUOT, "there are %d snapshots already", n);
	return n < 0 ? n : snapshot_take(k->user_fd, k->user.uid, name, "user", err);
}

static int serve(struct keeper *k, const struct self_service_request *request, struct carrel_error *err)
{
	if (!allows(&k->policy, request->reset ? "reset" : "snapshot"))
		return error_set(err, EPERM, "the policy does not allow it");
	if (!request->reset)
		return take_snapshot(k, request->name, err);
	/* The private home of a user who now has the host's is not the one that they see. */
	return rootfs_reset(k->user_fd, k->user.uid, request->keep_home || k->policy.home == HOME_HOST, err);
}

/* One line of the file, and a line on how it went. `full`: one before it has found no room. 0 or -errno. */
static int serve_line(struct keeper *k, const char *line, bool full, char *outcome, size_t size)
{
	struct self_service_request request;
	struct carrel_error err = { 0 };
	char safe[128];

	text_escape(safe, sizeof(safe), line);
	int r = full ? error_set(&err, ECANCELED, "not tried, since there was no room for what came before")
		: self_service_parse(line, &request) ? serve(k, &request, &err)
						     : error_set(&err, EINVAL, "not a request");
	log_send("carrel-keeper", r < 0 ? LOG_WARNING : LOG_NOTICE, "user '%s' asked for '%s': %s",
		 k->user.name, safe, r < 0 ? err.msg : "done");
	size_t used = strlen(outcome);
	(void)snprintf(outcome + used, size - used, "%s: %s\n", safe, r < 0 ? err.msg : "done");
	return r;
}

/*
 * A snapshot without room has copied all that there was room for, as root, outside the limits that a session has on its use of the
 * disk: that happens once and not for each line. And who asked for a snapshot before a reset is not to lose all without it.
 */
static void serve_all(struct keeper *k, char *text)
{
	char outcome[sizeof(k->outcome)] = "", *rest = NULL;
	int count = 0;
	bool full = false;

	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (++count > REQUESTS_MAX) {
			log_send("carrel-keeper", LOG_WARNING, "user '%s' asked for too much at once",
				 k->user.name);
			break;
		}
		int served = serve_line(k, line, full, outcome, sizeof(outcome));
		full |= served == -ENOSPC || served == -EDQUOT;
	}
	int r = fs_replace_at(k->user_fd, STATE_OUTCOME, outcome, strlen(outcome), 0600);
	if (r < 0)
		log_send("carrel-keeper", LOG_WARNING, "cannot write the outcome for user '%s': %s",
			 k->user.name, strerror(-r));
}

static void serve_file(struct keeper *k)
{
	struct carrel_error err = { 0 };
	char text[FILE_MAX + 1];
	ssize_t n = take_file(k, text, sizeof(text), &err);

	if (n >= 0)
		serve_all(k, text);
	else if (n != -ENOENT)
		log_send("carrel-keeper", LOG_WARNING, "user '%s' asked for something: %s", k->user.name,
			 err.msg);
}

void self_service_carry_out(struct keeper *k)
{
	struct carrel_error err = { 0 };
	bool any = self_service_any(&k->policy), sweep = change_to_sweep(k->user_fd);

	if ((!any && !sweep) || session_count_live(k->user.uid, &err) != 0)
		return;
	/* Still mounted: something of a session is left, which the next login clears. */
	_cleanup_close_ int mounted = vault_open_state(k->user.uid, &err);
	if (mounted != -ENOENT)
		return;
	if (any)
		serve_file(k);
	if (sweep && change_sweep(k->user_fd, k->user.uid, &err) < 0)
		log_send("carrel-keeper", LOG_WARNING, "user '%s': %s", k->user.name, err.msg);
}
