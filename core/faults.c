/*
 * faults.c - the history of faults: see faults.h. Run by keepers, which append, and carrelctl, which reads; as root.
 *
 * All under one lock, of the directory: it is held for one small write, or to read the files of one user, and so a reader
 * never meets a history that is just being rotated.
 */
#include "faults.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"
#include "keyed.h"
#include "paths.h"
#include "state.h"
#include "text.h"

#define LOCK_MS	 1000
#define LINE_MAX 1024
#define OLD	 ".old"

#define FIELD(member, kind) KEYED_FIELD(struct fault, member, kind)

/* The process' name comes last: it is the one word that a user chooses. */
static const struct keyed_field fields[] = {
	FIELD(time, KEYED_NUMBER),    FIELD(user, KEYED_STRING),    FIELD(uid, KEYED_NUMBER),
	FIELD(session, KEYED_STRING), FIELD(kind, KEYED_STRING),    FIELD(level, KEYED_STRING),
	FIELD(group, KEYED_STRING),   FIELD(limit, KEYED_NUMBER),   FIELD(peak, KEYED_NUMBER),
	FIELD(count, KEYED_NUMBER),   FIELD(process, KEYED_STRING),
};

static void exchange(char *text, char from, char to)
{
	for (; *text; text++)
		if (*text == from)
			*text = to;
}

/* keyed.h's lines, made one. No value has a tab: they are escaped. */
static ssize_t format_line(const struct fault *fault, char *line, size_t size)
{
	ssize_t n = keyed_format(line, size, fields, ARRAY_SIZE(fields), fault);

	if (n < 0)
		return n;
	exchange(line, '\n', '\t');
	line[n - 1] = '\n';
	return n;
}

/* `line` without its newline. */
static bool parse_line(const char *line, struct fault *fault)
{
	char text[LINE_MAX];

	if (text_format(text, sizeof(text), "%s\t", line) < 0 || strchr(text, '\n'))
		return false;
	exchange(text, '\t', '\n');
	memset(fault, 0, sizeof(*fault));
	return keyed_parse(text, fields, ARRAY_SIZE(fields), fault, NULL) == 0 && fault->count > 0;
}

int faults_open(struct carrel_error *err)
{
	int state = fs_ensure_dir(CARREL_STATE_DIR, 0700, err);
	if (state < 0)
		return state;
	close(state);
	return fs_ensure_dir(CARREL_FAULTS, 0700, err);
}

/* The files of a user. */
struct names {
	char now[16], old[24];
};

static struct names names_of(uid_t uid)
{
	struct names names;

	snprintf(names.now, sizeof(names.now), "%u", uid);
	snprintf(names.old, sizeof(names.old), "%u" OLD, uid);
	return names;
}

/* Released by closing it. */
static int lock(int dir_fd, struct carrel_error *err)
{
	_cleanup_close_ int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fs_lock(fd, LOCK_MS);

	return r < 0 ? error_set(err, -r, "cannot lock the history of faults: %s", strerror(-r))
		     : steal_fd(&fd);
}

static int open_file(int dir_fd, const char *name, int flags)
{
	struct stat st;
	_cleanup_close_ int fd = openat(dir_fd, name, flags | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? steal_fd(&fd) : -EINVAL;
}

/* All or nothing. A line that a full disk has cut off earlier, with its keeper, is ended first. */
static int append_line(int fd, const char *line, size_t size)
{
	off_t end = lseek(fd, 0, SEEK_END);
	char last = '\n';

	if (end < 0 || (end > 0 && pread(fd, &last, 1, end - 1) != 1))
		return -errno;
	if (last != '\n' && write(fd, "\n", 1) != 1)
		return -errno;
	ssize_t n = write(fd, line, size);
	if (n == (ssize_t)size)
		return 0;
	int r = n < 0 ? -errno : -ENOSPC;
	if (n > 0 && ftruncate(fd, end) < 0)
		return -errno;
	return r;
}

static bool is_full(int fd, ssize_t more)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_size + more > FAULTS_FILE_MAX;
}

int faults_append(int dir_fd, const struct fault *fault, struct carrel_error *err)
{
	const struct names names = names_of(fault->uid);
	char line[LINE_MAX];
	ssize_t n = format_line(fault, line, sizeof(line));

	if (n < 0)
		return error_set(err, (int)-n, "a fault is too long for the history");
	_cleanup_close_ int locked = lock(dir_fd, err);
	if (locked < 0)
		return locked;
	_cleanup_close_ int fd = open_file(dir_fd, names.now, O_RDWR | O_CREAT | O_APPEND);
	if (fd >= 0 && is_full(fd, n + 1) && renameat(dir_fd, names.now, dir_fd, names.old) == 0) {
		close_fd(&fd);
		fd = open_file(dir_fd, names.now, O_RDWR | O_CREAT | O_APPEND);
	}
	int r = fd < 0 ? fd : append_line(fd, line, (size_t)n);
	return r < 0 ? error_set(err, -r, "cannot write '" CARREL_FAULTS "/%s': %s", names.now, strerror(-r))
		     : 0;
}

struct history {
	struct fault *list;
	size_t count;
};

static int add_lines(struct history *h, char *text)
{
	char *save = NULL;
	struct fault fault;
	int r = 0;

	for (char *line = strtok_r(text, "\n", &save); r == 0 && line; line = strtok_r(NULL, "\n", &save))
		if (parse_line(line, &fault))
			r = array_append(&h->list, &h->count, &fault, sizeof(fault));
	return r;
}

/* The last FAULTS_FILE_MAX bytes; of a larger file the first line is cut off, and so left out by whoever reads it. */
static int read_file(int dir_fd, const char *name, char text[FAULTS_FILE_MAX], size_t *have)
{
	_cleanup_close_ int fd = open_file(dir_fd, name, O_RDONLY);
	struct stat st;

	*have = 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > FAULTS_FILE_MAX && lseek(fd, -FAULTS_FILE_MAX, SEEK_END) < 0)
		return -errno;
	ssize_t n = fs_read_full(fd, text, FAULTS_FILE_MAX);
	if (n < 0)
		return (int)n;
	*have = (size_t)n;
	return 0;
}

static int add_file(struct history *h, int dir_fd, const char *name)
{
	char text[FAULTS_FILE_MAX + 1];
	size_t have;

	int r = read_file(dir_fd, name, text, &have);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	for (size_t i = 0; i < have; i++)
		text[i] = text[i] ? text[i] : '?'; /* damage */
	text[have] = '\0';
	return add_lines(h, text);
}

static int add_user(struct history *h, int dir_fd, uid_t uid, struct carrel_error *err)
{
	const struct names names = names_of(uid);
	_cleanup_close_ int locked = lock(dir_fd, err);
	if (locked < 0)
		return locked;
	int r = add_file(h, dir_fd, names.old);
	if (r == 0)
		r = add_file(h, dir_fd, names.now);
	return r < 0 ? error_set(err, -r, "cannot read '" CARREL_FAULTS "/%s': %s", names.now, strerror(-r))
		     : 0;
}

/* Whose history a file's name says it is; an UID.old without an UID is one, too. False: none. */
static bool is_history(const char *name, uid_t *uid)
{
	char again[24];
	char *end;
	unsigned long value = strtoul(name, &end, 10);

	snprintf(again, sizeof(again), "%lu%s", value, end);
	*uid = (uid_t)value;
	return end != name && value < (uid_t)-1 && strcmp(again, name) == 0 &&
	       (!*end || strcmp(end, OLD) == 0);
}

ssize_t faults_users(int dir_fd, uid_t **uids, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(dir_fd);
	_cleanup_free_ uid_t *list = NULL;
	size_t count = 0;
	const struct dirent *entry;
	uid_t uid;

	if (!dir)
		return error_errno(err, "cannot open '" CARREL_FAULTS "'");
	while ((entry = readdir(dir))) {
		if (!is_history(entry->d_name, &uid))
			continue;
		/* Once, by the one of the two files that is sure to be met. */
		if (strchr(entry->d_name, '.') &&
		    faccessat(dir_fd, names_of(uid).now, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		if (array_append(&list, &count, &uid, sizeof(uid)) < 0)
			return error_set(err, ENOMEM, "cannot list the histories of faults: out of memory");
	}
	*uids = steal_ptr(&list);
	return (ssize_t)count;
}

static int add_all(struct history *h, int dir_fd, struct carrel_error *err)
{
	_cleanup_free_ uid_t *uids = NULL;
	ssize_t n = faults_users(dir_fd, &uids, err);
	int r = n < 0 ? (int)n : 0;

	for (ssize_t i = 0; uids && i < n && r == 0; i++)
		r = add_user(h, dir_fd, uids[i], err);
	return r;
}

static int by_time(const void *a, const void *b)
{
	const struct fault *first = a, *second = b;

	if (first->time != second->time)
		return first->time < second->time ? -1 : 1;
	return (first->uid > second->uid) - (first->uid < second->uid);
}

ssize_t faults_read(int dir_fd, uid_t uid, struct fault **list, struct carrel_error *err)
{
	struct history h = { 0 };
	int r = uid == (uid_t)-1 ? add_all(&h, dir_fd, err) : add_user(&h, dir_fd, uid, err);

	if (r < 0) {
		free(h.list);
		return r;
	}
	if (h.count > 1)
		qsort(h.list, h.count, sizeof(*h.list), by_time);
	*list = h.list;
	return (ssize_t)h.count;
}

/* By a copy: the two directories may be on different filesystems, and in different projects. */
static int move_file(int from_fd, const char *from, int to_fd, const char *to)
{
	char text[FAULTS_FILE_MAX];
	size_t have;

	int r = read_file(from_fd, from, text, &have);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = fs_replace_at(to_fd, to, text, have, 0600);
	if (r == 0 && unlinkat(from_fd, from, 0) < 0)
		r = -errno;
	return r;
}

int faults_keep(int dir_fd, uid_t uid, int user_fd, struct carrel_error *err)
{
	const struct names names = names_of(uid);
	_cleanup_close_ int locked = lock(dir_fd, err);
	if (locked < 0)
		return locked;
	int r = move_file(dir_fd, names.old, user_fd, STATE_FAULTS OLD);
	if (r == 0)
		r = move_file(dir_fd, names.now, user_fd, STATE_FAULTS);
	return r < 0 ? error_set(err, -r, "cannot keep '" CARREL_FAULTS "/%s' aside: %s", names.now,
				 strerror(-r))
		     : 0;
}

int faults_give_back(int dir_fd, uid_t uid, int user_fd, struct carrel_error *err)
{
	const struct names names = names_of(uid);
	_cleanup_close_ int locked = lock(dir_fd, err);
	if (locked < 0)
		return locked;
	int r = move_file(user_fd, STATE_FAULTS OLD, dir_fd, names.old);
	if (r == 0)
		r = move_file(user_fd, STATE_FAULTS, dir_fd, names.now);
	return r < 0 ? error_set(err, -r, "cannot bring back '" CARREL_FAULTS "/%s': %s", names.now,
				 strerror(-r))
		     : 0;
}

int faults_remove(int dir_fd, uid_t uid, struct carrel_error *err)
{
	const struct names names = names_of(uid);
	_cleanup_close_ int locked = lock(dir_fd, err);
	if (locked < 0)
		return locked;
	if ((unlinkat(dir_fd, names.old, 0) < 0 && errno != ENOENT) ||
	    (unlinkat(dir_fd, names.now, 0) < 0 && errno != ENOENT))
		return error_errno(err, "cannot remove '" CARREL_FAULTS "/%s'", names.now);
	return 0;
}
