/* slot.c - see slot.h. Run by the keeper, as root, on the host. */
#include "slot.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/override.h"
#include "core/paths.h"
#include "core/text.h"
#include "core/wire.h"
#include "ending.h"
#include "rootfs.h"

#define OWNER_FILE	 "owner" /* "<uid> <name> <unix time of creation>\n" */
#define STALE_TIMEOUT_MS 2000
#define RECORD_LOCK_MS	 1000

/* The account that the state belongs to: written at the first login, compared at every later one. */
static int check_owner(struct keeper *k, struct carrel_error *err)
{
	char text[160], want[96];
	int n = snprintf(want, sizeof(want), "%u %s ", k->user.uid, k->user.name);

	if (n < 0 || (size_t)n >= sizeof(want))
		return error_set(err, ENAMETOOLONG, "the name of uid %u is too long", k->user.uid);
	ssize_t size = fs_read_at(k->user_fd, OWNER_FILE, text, sizeof(text));
	if (size >= 0)
		return strncmp(text, want, (size_t)n) == 0
			       ? 0
			       : error_set(err, EEXIST,
					   "the files of uid %u were made for another account: "
					   "move " CARREL_USERS "/%u away first",
					   k->user.uid, k->user.uid);
	if (size != -ENOENT)
		return error_set(err, (int)-size, "cannot read '" OWNER_FILE "' of uid %u: %s", k->user.uid,
				 strerror((int)-size));
	n = snprintf(text, sizeof(text), "%s%" PRIu64 "\n", want, (uint64_t)time(NULL));
	int r = fs_replace_at(k->user_fd, OWNER_FILE, text, (size_t)n, 0600);
	return r < 0 ? error_set(err, -r, "cannot write '" OWNER_FILE "' of uid %u: %s", k->user.uid,
				 strerror(-r))
		     : 0;
}

/* One lock over all users, for as long as a block of ids is looked for. */
static int get_ids(struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int all = openat(k->users_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (all < 0)
		return error_errno(err, "cannot open '" CARREL_USERS "'");
	if (faccessat(k->user_fd, "ids", F_OK, 0) < 0) {
		int r = fs_lock(all, k->request.timeout * 1000);
		if (r < 0)
			return error_set(err, -r, "cannot lock '" CARREL_USERS "': %s", strerror(-r));
	}
	return idmap_get(k->users_fd, k->user_fd, k->user.uid, k->user.name, &k->ids, err);
}

int slot_lock_user(struct keeper *k, struct carrel_error *err)
{
	char name[16];

	int state = fs_ensure_dir(CARREL_STATE_DIR, 0700, err);
	if (state < 0)
		return state;
	close(state);
	k->users_fd = fs_ensure_dir(CARREL_USERS, 0700, err);
	if (k->users_fd < 0)
		return k->users_fd;
	snprintf(name, sizeof(name), "%u", k->user.uid);
	k->user_fd = fs_ensure_dir_at(k->users_fd, name, 0700, 0, 0, err);
	if (k->user_fd < 0)
		return k->user_fd;
	k->lock_fd = openat(k->user_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (k->lock_fd < 0)
		return error_errno(err, "cannot open the state directory of uid %u", k->user.uid);
	int r = fs_lock(k->lock_fd, k->request.timeout * 1000);
	if (r < 0)
		return error_set(err, -r, "cannot lock the state directory of uid %u: %s", k->user.uid,
				 strerror(-r));
	r = check_owner(k, err);
	return r < 0 ? r : get_ids(k, err);
}

void slot_unlock(struct keeper *k)
{
	if (k->lock_fd >= 0)
		flock(k->lock_fd, LOCK_UN);
}

int slot_count(uid_t uid, const char *except, struct carrel_error *err)
{
	_cleanup_free_ char **ids = NULL;
	int live = 0, n = session_list(uid, &ids, err);

	for (int i = 0; i < n; i++) {
		if (except && strcmp(ids[i], except) == 0)
			continue;
		int alive = session_alive(ids[i], err);
		if (alive < 0)
			return alive;
		live += alive;
	}
	return n < 0 ? n : live;
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
		r = slot_count(uid, NULL, err);
	if (r != 0)
		return r < 0 ? r : 0;
	/* A session whose record somebody removed is not counted, but still there. So is the group of the user's groups. */
	if (cgroup_find(*cgroups, uid, NULL, group, sizeof(group)))
		return 0;
	r = override_save(uid, "", err);
	return r < 0 ? r : rootfs_release(uid, err);
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

/* Text from outside for the record: cut to the field, made printable. */
static void set_field(char *field, size_t size, const char *text)
{
	text_escape(field, size, text ? text : "");
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

/* For everybody to read: the name of the session is not a secret of its user's. */
static int make_ended(int dir_fd, const char *id, struct carrel_error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, SESSION_ENDED,
					O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

	return fd < 0 ? error_errno(err, "cannot make '%s' of session '%s'", SESSION_ENDED, id) : 0;
}

void slot_note_end(const char *id, const char *why)
{
	char path[64];

	if (text_format(path, sizeof(path), CARREL_SESSIONS "/%s/" SESSION_ENDED, id) == 0)
		(void)fs_write_at(AT_FDCWD, path, why);
}

static int make_directory(struct keeper *k, struct carrel_error *err)
{
	_cleanup_close_ int sessions = open(CARREL_SESSIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	uint32_t random;

	for (int tries = 0; tries < 16; tries++) {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return error_errno(err, "cannot get random bytes");
		snprintf(k->record.id, sizeof(k->record.id), "%u-%08x", k->user.uid, random);
		if (mkdirat(sessions, k->record.id, 0711) == 0)
			return openat(sessions, k->record.id, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (errno != EEXIST)
			break;
	}
	k->record.id[0] = '\0';
	return error_errno(err, "cannot make a directory below '" CARREL_SESSIONS "'");
}

int slot_open(struct keeper *k, struct carrel_error *err)
{
	char above[sizeof(k->record.cgroup)] = "";
	int live = clear_and_count(k, above, sizeof(above), err);
	if (live < 0)
		return live;
	if (k->policy.session.max != UNIT_NONE && (uint64_t)live >= k->policy.session.max)
		return error_set(err, EUSERS, "you already have %d session%s open", live,
				 live == 1 ? "" : "s");

	_cleanup_close_ int dir = make_directory(k, err);
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

int slot_remove(const char *id, struct carrel_error *err)
{
	static const char *const files[] = { "socket", "control", SESSION_ENDED, SLOT_REPORTED, "record" };
	_cleanup_close_ int sessions = open(CARREL_SESSIONS, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dir = sessions < 0 ? -1
					       : openat(sessions, id,
							O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '" CARREL_SESSIONS "/%s'", id);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlinkat(dir, files[i], 0) < 0 && errno != ENOENT)
			return error_errno(err, "cannot remove '" CARREL_SESSIONS "/%s/%s'", id, files[i]);
	if (unlinkat(sessions, id, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return error_errno(err, "cannot remove '" CARREL_SESSIONS "/%s'", id);
	return 0;
}
