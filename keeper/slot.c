/* slot.c - see slot.h. Run by the keeper, as root, on the host. */
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/state.h"
#include "core/text.h"
#include "core/vault.h"
#include "core/wire.h"
#include "ending.h"
#include "owner.h"

#define STALE_TIMEOUT_MS 2000
#define RECORD_LOCK_MS	 1000
#define STATE_ATTEMPTS	 16

/* Sessions that began under another budget stay there, and so do all of the user's until the last has ended. */
static void follow(const char *id, char *above, size_t size)
{
	struct session_record record;

	if (session_read(id, &record, NULL) == 0 && cgroup_name_up(record.cgroup))
		(void)text_format(above, size, "%s", record.cgroup);
}

/* Clear the stale ones, count the live ones, and say below which group their groups are, if there are any. */
static int clear_and_count(struct keeper *k, char *above, size_t size, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int live = 0, n = session_list(k->user.uid, &ids, err);

	for (int i = 0; i < n; i++) {
		int alive = session_alive(ids[i], err);
		if (alive == 0)
			alive = slot_clear_stale(ids[i], &k->cgroups, STALE_TIMEOUT_MS, err);
		else if (alive == 1 && ++live == 1)
			follow(ids[i], above, size);
		if (alive < 0)
			return error_context(err, "cannot clear the ended session '%s'", ids[i]);
	}
	return n < 0 ? n : live;
}

/*
 * The uid had another account before: what that has left is nobody's, so it is kept, out of the way. Not while a session of that
 * account still uses it.
 */
static int keep_aside(struct keeper *k, const struct state_owner *owner, struct carrel_error *err)
{
	char above[sizeof(k->record.cgroup)] = "";

	int live = clear_and_count(k, above, sizeof(above), err);
	if (live < 0)
		return live;
	if (live > 0)
		return error_set(err, EBUSY, "uid %u was %s '%s' before, who is still logged in", k->user.uid,
				 strcmp(owner->name, k->user.name) == 0 ? "another account" : "user",
				 owner->name);
	return owner_keep_aside(k, owner, err);
}

/* One lock over all users, for as long as a block of ids is looked for. */
static int get_ids(struct keeper *k, struct carrel_error *err)
{
	struct carrel_error note = { 0 };

	_cleanup_close_ int all = openat(k->users_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0)
		return error_errno(err, "cannot open '" CARREL_USERS "'");
	if (faccessat(k->user_fd, STATE_IDS, F_OK, 0) < 0) {
		int r = fs_lock(all, k->request.timeout * 1000);
		if (r < 0)
			return error_set(err, -r, "cannot lock '" CARREL_USERS "': %s", strerror(-r));
	}
	int r = idmap_get(k->users_fd, k->user_fd, k->user.uid, k->user.name, &k->ids, &note, err);
	if (note.msg[0])
		log_send("carrel-keeper", LOG_WARNING, "%s", note.msg);
	return r;
}

/* Set user_fd and lock_fd to the state of this very account. */
static int lock_state(struct keeper *k, struct carrel_error *err)
{
	struct state_owner owner;
	char name[16];
	int r = 0;

	snprintf(name, sizeof(name), "%u", k->user.uid);
	for (int i = 0; i < STATE_ATTEMPTS; i++) {
		close_fd(&k->user_fd);
		close_fd(&k->lock_fd);
		int made = fs_ensure_dir_at(k->users_fd, name, 0700, 0, 0, err);
		if (made < 0)
			return made;
		close(made);
		k->lock_fd = state_lock(k->users_fd, name, k->request.timeout * 1000, err);
		if (k->lock_fd == -ENOENT)
			continue; /* removed in between */
		if (k->lock_fd < 0)
			return k->lock_fd;
		k->user_fd = openat(k->lock_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (k->user_fd < 0)
			return error_errno(err, "cannot open the state directory of uid %u", k->user.uid);
		r = owner_check(k, &owner, err);
		if (r <= 0)
			return r;
		r = keep_aside(k, &owner, err);
		if (r < 0)
			return r;
	}
	return error_set(err, EAGAIN, "the state directory of uid %u comes and goes", k->user.uid);
}

int slot_lock_user(struct keeper *k, struct carrel_error *err)
{
	int state = fs_ensure_dir(CARREL_STATE_DIR, 0700, err);
	if (state < 0)
		return state;
	close(state);
	k->users_fd = fs_ensure_dir(CARREL_USERS, 0700, err);
	if (k->users_fd < 0)
		return k->users_fd;
	int r = lock_state(k, err);
	if (r == 0 && fs_read_at(k->user_fd, STATE_OUTCOME, k->outcome, sizeof(k->outcome)) < 0)
		k->outcome[0] = '\0';
	return r < 0 ? r : get_ids(k, err);
}

void slot_unlock(struct keeper *k)
{
	if (k->lock_fd >= 0)
		flock(k->lock_fd, LOCK_UN);
}

int slot_clear(const char *id, struct cgroup_tree **cgroups, int timeout_ms, struct carrel_error *err)
{
	char group[128];
	uid_t uid = session_id_uid(id);

	/* The name is looked for and not read: the record may be half written. */
	int r = cgroup_tree_open(cgroups, err);
	if (r == 0 && cgroup_find(*cgroups, uid, id, group, sizeof(group)))
		r = cgroup_remove(*cgroups, group, timeout_ms, err);
	if (r == 0)
		r = slot_remove(id, err);
	if (r == 0)
		r = session_count_live(uid, err);
	if (r != 0)
		return r < 0 ? r : 0;
	/* A session whose record somebody removed is not counted, but still there. So is the group of the user's groups. */
	if (cgroup_find(*cgroups, uid, NULL, group, sizeof(group)))
		return 0;
	r = override_save(uid, "", err);
	return r < 0 ? r : vault_release(uid, err);
}

int slot_clear_stale(const char *id, struct cgroup_tree **cgroups, int timeout_ms, struct carrel_error *err)
{
	char group[128];

	int r = cgroup_tree_open(cgroups, err);
	if (r < 0)
		return r;
	(void)cgroup_find(*cgroups, session_id_uid(id), id, group, sizeof(group));
	ending_report_stale(id, group, *cgroups);
	return slot_clear(id, cgroups, timeout_ms, err);
}

static int make_socket(const char *id, const char *name, int type, uid_t owner, struct carrel_error *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (text_format(at.sun_path, sizeof(at.sun_path), CARREL_SESSIONS "/%s/%s", id, name) < 0)
		return error_set(err, ENAMETOOLONG, "the path of the session's socket is too long");
	_cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody can connect before listen(), and the mode is right before that. */
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || chmod(at.sun_path, 0600) < 0 ||
	    chown(at.sun_path, owner, 0) < 0 || listen(fd, 128) < 0)
		return error_errno(err, "cannot make the socket '%s'", at.sun_path);
	return steal_fd(&fd);
}

/* Text from outside for the record, which session_write escapes: cut to the field. */
static void set_field(char *field, size_t size, const char *text)
{
	(void)snprintf(field, size, "%s", text ? text : "");
}

static int make_record(struct keeper *k, int dir_fd, struct carrel_error *err)
{
	struct session_record *r = &k->record;

	r->uid = k->user.uid;
	r->started = (uint64_t)time(NULL);
	r->keeper = getpid();
	set_field(r->user, sizeof(r->user), k->user.name);
	set_field(r->image, sizeof(r->image), k->policy.image);
	set_field(r->service, sizeof(r->service), k->request.service);
	set_field(r->rhost, sizeof(r->rhost), k->request.rhost);
	set_field(r->tty, sizeof(r->tty), k->request.tty);
	k->record_fd = openat(dir_fd, "record", O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* Not at once only: whoever looks whether the session is alive holds the lock for a moment. */
	int locked = k->record_fd < 0 ? -errno : fs_lock(k->record_fd, RECORD_LOCK_MS);
	if (locked < 0)
		return error_set(err, -locked, "cannot make the record of session '%s': %s", r->id,
				 strerror(-locked));
	return session_write(k->record_fd, r, err);
}

/* SESSION_ENDED, locked until the keeper ends. One keeper, one session; init does not inherit it. */
static int ended_fd = -EBADF;

/* For everybody to read: the name of the session is not a secret of its user's. */
static int make_ended(int dir_fd, const char *id, struct carrel_error *err)
{
	ended_fd = openat(dir_fd, SESSION_ENDED, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (ended_fd < 0)
		return error_errno(err, "cannot make '%s' of session '%s'", SESSION_ENDED, id);
	/* Without the lock carrel-shell does not wait, and may not hear the reason. */
	(void)flock(ended_fd, LOCK_EX | LOCK_NB);
	return 0;
}

void slot_note_end(const char *why)
{
	if (ended_fd >= 0)
		(void)!write(ended_fd, why, strlen(why));
}

int slot_open(struct keeper *k, struct carrel_error *err)
{
	char above[sizeof(k->record.cgroup)] = "";
	int live = clear_and_count(k, above, sizeof(above), err);
	if (live < 0)
		return live;
	if (live == 0 && change_pending(k->user_fd)) {
		int r = vault_release(k->user.uid, err);
		if (r == 0)
			r = change_recover(k->user_fd, k->user.uid, err);
		if (r < 0)
			return r;
	}
	if (k->policy.session.max != UNIT_NONE && (uint64_t)live >= k->policy.session.max)
		return error_set(err, EUSERS, "you already have %d session%s open", live,
				 live == 1 ? "" : "s");

	_cleanup_close_ int dir = slot_make_directory(k->user.uid, k->record.id, err);
	if (dir < 0)
		return dir;
	int r = *above ? text_format(k->record.cgroup, sizeof(k->record.cgroup), "%s/%s", above, k->record.id)
		       : cgroup_session_name(k->record.cgroup, sizeof(k->record.cgroup), k->policy.group,
					     k->user.uid, k->record.id);
	if (r == 0)
		r = make_record(k, dir, err);
	if (r == 0)
		r = make_ended(dir, k->record.id, err);
	if (r < 0)
		return r;
	k->control_fd = make_socket(k->record.id, "control", SOCK_SEQPACKET, 0, err);
	if (k->control_fd < 0)
		return k->control_fd;
	k->listen_fd = make_socket(k->record.id, "socket", SOCK_STREAM, k->user.uid, err);
	return k->listen_fd < 0 ? k->listen_fd : 0;
}
