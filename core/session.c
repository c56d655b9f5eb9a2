/*
 * session.c - see session.h. Run by the keeper and carrelctl, as root.
 *
 * CARREL_SESSIONS and the directories in it belong to root and nobody else can write to them, so paths below it
 * are used as they are; the ID is checked before it becomes one.
 */
#include "session.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"
#include "keyed.h"
#include "paths.h"
#include "text.h"
#include "wire.h"

#define READ_ATTEMPTS 4
#define RETRY_NS      2000000L

#define FIELD(member, kind) KEYED_FIELD(struct session_record, member, kind)

static const struct keyed_field record_fields[] = {
	FIELD(id, KEYED_STRING),     FIELD(uid, KEYED_NUMBER),	   FIELD(user, KEYED_STRING),
	FIELD(image, KEYED_STRING),  FIELD(service, KEYED_STRING), FIELD(rhost, KEYED_STRING),
	FIELD(tty, KEYED_STRING),    FIELD(cgroup, KEYED_STRING),  FIELD(started, KEYED_NUMBER),
	FIELD(keeper, KEYED_NUMBER), FIELD(init, KEYED_NUMBER),
};

#undef FIELD
#define FIELD(member, kind) KEYED_FIELD(struct session_status, member, kind)

static const struct keyed_field status_fields[] = {
	FIELD(state, KEYED_STRING),	  FIELD(age, KEYED_NUMBER),	 FIELD(idle, KEYED_NUMBER),
	FIELD(connections, KEYED_NUMBER), FIELD(commands, KEYED_NUMBER), FIELD(terminals, KEYED_NUMBER),
	FIELD(fresh, KEYED_NUMBER),	  FIELD(idle_max, KEYED_NUMBER), FIELD(lifetime, KEYED_NUMBER),
	FIELD(warn, KEYED_NUMBER),
};

static void pause_briefly(void)
{
	struct timespec pause = { .tv_nsec = RETRY_NS };

	(void)nanosleep(&pause, NULL);
}

static int session_path(char *path, size_t size, const char *id, const char *file, struct carrel_error *err)
{
	if (!session_id_valid(id))
		return error_set(err, EINVAL, "not a session ID");
	return text_format(path, size, CARREL_SESSIONS "/%s/%s", id, file);
}

static int parse_record(char *text, const char *id, struct session_record *record, struct carrel_error *err)
{
	memset(record, 0, sizeof(*record));
	int r = keyed_parse(text, record_fields, ARRAY_SIZE(record_fields), record, err);
	if (r < 0)
		return r;
	if (strcmp(record->id, id) != 0 || record->uid != session_id_uid(id))
		return error_set(err, EBADMSG, "it is of another session");
	return 0;
}

int session_read(const char *id, struct session_record *record, struct carrel_error *err)
{
	char path[64], text[KEYED_MAX];
	int r = session_path(path, sizeof(path), id, "record", err);

	if (r < 0)
		return r;
	/* A record is rewritten in place, so a reader may meet half of one: look again before judging. */
	for (int i = 0; i < READ_ATTEMPTS; i++) {
		ssize_t n = fs_read_at(AT_FDCWD, path, text, sizeof(text));
		if (n == -ENOENT)
			return error_set(err, ENOENT, "there is no session '%s'", id);
		if (n < 0)
			return error_set(err, EIO, "cannot read '%s': %s", path, strerror((int)-n));
		if (n == 0)
			return error_set(err, EIO, "the session '%s' is not set up yet", id);
		if (strlen(text) == (size_t)n && parse_record(text, id, record, err) == 0)
			return 0;
		pause_briefly();
	}
	return error_set(err, EIO, "the record '%s' is damaged", path);
}

int session_write(int record_fd, const struct session_record *record, struct carrel_error *err)
{
	char text[KEYED_MAX];

	if (!session_id_valid(record->id) || record->uid != session_id_uid(record->id))
		return error_set(err, EINVAL, "the session's ID and uid do not belong together");
	ssize_t size = keyed_format(text, sizeof(text), record_fields, ARRAY_SIZE(record_fields), record);
	if (size < 0)
		return error_set(err, EFBIG, "the record of session '%s' is too long", record->id);
	ssize_t written = pwrite(record_fd, text, (size_t)size, 0);
	if (written >= 0 && written != size)
		errno = ENOSPC;
	if (written != size || ftruncate(record_fd, size) < 0)
		return error_errno(err, "cannot write the record of session '%s'", record->id);
	return 0;
}

int session_alive(const char *id, struct carrel_error *err)
{
	char path[64];
	int r = session_path(path, sizeof(path), id, "record", err);

	if (r < 0)
		return r;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		return error_errno(err, "cannot open '%s'", path);
	/* Shared, so that two who ask at once do not take each other for a keeper. */
	if (flock(fd, LOCK_SH | LOCK_NB) == 0)
		return 0;
	return errno == EWOULDBLOCK ? 1 : error_errno(err, "cannot lock '%s'", path);
}

static int compare_ids(const void *a, const void *b)
{
	const char *ida = a, *idb = b;
	uid_t ua = session_id_uid(ida), ub = session_id_uid(idb);

	return ua != ub ? (ua < ub ? -1 : 1) : strcmp(ida, idb);
}

struct id_list {
	char (*ids)[SESSION_ID_MAX];
	size_t count;
};

static int id_list_add(struct id_list *list, const char *id)
{
	char copy[SESSION_ID_MAX];
	int r = text_format(copy, sizeof(copy), "%s", id);

	return r < 0 ? r : array_append(&list->ids, &list->count, copy, sizeof(copy));
}

/* One allocation: the pointers, then the strings they point to. */
static char **id_list_pack(const struct id_list *list)
{
	char **packed = malloc((list->count + 1) * sizeof(char *) + list->count * SESSION_ID_MAX);

	if (!packed)
		return NULL;
	char *strings = (char *)(packed + list->count + 1);
	for (size_t i = 0; i < list->count; i++) {
		packed[i] = strings + i * SESSION_ID_MAX;
		memcpy(packed[i], list->ids[i], SESSION_ID_MAX);
	}
	packed[list->count] = NULL;
	return packed;
}

/* The next name in the directory that is a session's, of this user when uid is not (uid_t)-1. NULL: there is no other. */
static const char *next_id(DIR *dir, uid_t uid)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (session_id_valid(entry->d_name) &&
		    (uid == (uid_t)-1 || uid == session_id_uid(entry->d_name)))
			return entry->d_name;
	return NULL;
}

int session_list(uid_t uid, char ***ids, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = opendir(CARREL_SESSIONS);
	struct id_list list = { 0 };
	const char *id;
	int r = 0;

	if (!dir && errno != ENOENT)
		return error_errno(err, "cannot open '%s'", CARREL_SESSIONS);
	while (r == 0 && dir && (id = next_id(dir, uid)))
		r = id_list_add(&list, id);
	if (r == 0) {
		if (list.count)
			qsort(list.ids, list.count, sizeof(*list.ids), compare_ids);
		*ids = id_list_pack(&list);
		r = *ids ? (int)list.count : -ENOMEM;
	}
	free(list.ids);
	return r < 0 ? error_set(err, -r, "cannot list the sessions: %s", strerror(-r)) : r;
}

int session_count_live(uid_t uid, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = opendir(CARREL_SESSIONS);
	const char *id;
	int live = 0;

	if (!dir)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '%s'", CARREL_SESSIONS);
	while ((id = next_id(dir, uid))) {
		int alive = session_alive(id, err);
		if (alive < 0)
			return alive;
		live += alive;
	}
	return live;
}

/* Connect to the keeper. One that is still setting up has no socket yet, so wait for it while it lives. */
static int connect_keeper(const char *id, int64_t deadline, struct carrel_error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int r = session_path(to.sun_path, sizeof(to.sun_path), id, "control", err);

	if (r < 0)
		return r;
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_errno(err, "cannot make a socket");
	while (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		if (errno != ENOENT && errno != ECONNREFUSED && errno != EAGAIN && errno != EINTR)
			return error_errno(err, "cannot connect to the keeper of session '%s'", id);
		int alive = session_alive(id, err);
		if (alive < 0)
			return alive;
		if (!alive)
			return error_set(err, ENOENT, "there is no session '%s'", id);
		if (fs_now_ms() >= deadline)
			return error_set(err, ETIMEDOUT, "the keeper of session '%s' does not answer", id);
		pause_briefly();
	}
	return steal_fd(&fd);
}

/* Wait for end of file: the keeper closes by ending, and by then everything is gone. */
static int await_end(int fd, const char *id, int64_t deadline, struct carrel_error *err)
{
	char answer[128] = "", safe[256];

	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - fs_now_ms();
		int ready = poll(&poller, 1, left > 0 ? (int)left : 0);

		if (ready < 0 && errno != EINTR)
			return error_errno(err, "cannot wait for the keeper of session '%s'", id);
		if (ready == 0)
			return error_set(err, ETIMEDOUT, "the keeper of session '%s' did not end in time%s%s",
					 id, *answer ? ": " : "", text_escape(safe, sizeof(safe), answer));
		if (ready < 0)
			continue;
		ssize_t n = recv(fd, answer, sizeof(answer) - 1, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return 0;
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return error_errno(err, "cannot hear the keeper of session '%s'", id);
		answer[n > 0 ? n : 0] = '\0';
	}
}

/*
 * A keeper that was killed hangs up just the same, so look at what is there. Its lock may outlast its socket
 * by a moment: the kernel closes the descriptors of a dead process one after the other.
 */
static int check_gone(const char *id, int64_t deadline, struct carrel_error *err)
{
	char path[64];
	int r = session_path(path, sizeof(path), id, "record", err);

	while (r == 0 && access(path, F_OK) == 0) {
		int alive = session_alive(id, err);
		if (alive < 0)
			return alive;
		if (!alive && access(path, F_OK) == 0)
			return error_set(err, EIO, "the keeper of session '%s' died before it had cleaned up",
					 id);
		if (fs_now_ms() >= deadline)
			return error_set(err, ETIMEDOUT, "the keeper of session '%s' did not end in time",
					 id);
		pause_briefly();
	}
	return r;
}

/* Wait for the one answer. Its length, or -errno; a keeper that ends instead takes the session with it. */
static ssize_t await_answer(int fd, const char *id, char *answer, size_t size, int64_t deadline,
			    struct carrel_error *err)
{
	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int64_t left = deadline - fs_now_ms();
		int ready = poll(&poller, 1, left > 0 ? (int)left : 0);

		if (ready == 0)
			return error_set(err, ETIMEDOUT, "the keeper of session '%s' does not answer", id);
		ssize_t n = ready < 0 ? -1 : recv(fd, answer, size - 1, MSG_TRUNC);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			return error_set(err, ENOENT, "the session '%s' has ended", id);
		if (n < 0)
			return error_errno(err, "cannot hear the keeper of session '%s'", id);
		if ((size_t)n >= size)
			return error_set(err, EFBIG, "the keeper of session '%s' says too much", id);
		answer[n] = '\0';
		return n;
	}
}

int session_ask(const char *id, const char *word, char *answer, size_t size, int timeout_ms,
		struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + timeout_ms;
	_cleanup_close_ int fd = connect_keeper(id, deadline, err);
	char safe[256];

	if (fd < 0)
		return fd;
	if (send(fd, word, strlen(word), MSG_NOSIGNAL) < 0)
		return errno == EPIPE || errno == ECONNRESET
			       ? error_set(err, ENOENT, "the session '%s' has ended", id)
			       : error_errno(err, "cannot ask the keeper of session '%s'", id);
	ssize_t n = await_answer(fd, id, answer, size, deadline, err);
	if (n < 0)
		return (int)n;
	if (strncmp(answer, CONTROL_ERROR, strlen(CONTROL_ERROR)) == 0)
		return error_set(err, EINVAL, "session '%s': %s", id,
				 text_escape(safe, sizeof(safe), answer + strlen(CONTROL_ERROR)));
	return 0;
}

int session_status(const char *id, struct session_status *status, int timeout_ms, struct carrel_error *err)
{
	char answer[CONTROL_MAX];
	int r = session_ask(id, CONTROL_STATUS, answer, sizeof(answer), timeout_ms, err);

	memset(status, 0, sizeof(*status));
	if (r == 0)
		r = keyed_parse(answer, status_fields, ARRAY_SIZE(status_fields), status, err);
	return r == -EBADMSG ? error_context(err, "the status of session '%s'", id) : r;
}

ssize_t session_status_format(char *buf, size_t size, const struct session_status *status)
{
	return keyed_format(buf, size, status_fields, ARRAY_SIZE(status_fields), status);
}

int session_end(const char *id, const char *word, int timeout_ms, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + timeout_ms;
	_cleanup_close_ int fd = connect_keeper(id, deadline, err);

	if (fd < 0)
		return fd;
	if (send(fd, word, strlen(word), MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
		return error_errno(err, "cannot ask the keeper of session '%s'", id);
	int r = await_end(fd, id, deadline, err);
	return r < 0 ? r : check_gone(id, deadline, err);
}
