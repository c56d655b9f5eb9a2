/* state.c - see state.h. Run by the keeper and carrelctl, as root; CARREL_USERS is 0700 and root's. */
#include "state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "fs.h"
#include "keyed.h"
#include "text.h"

#define ATTEMPTS  16
#define OWNER_MAX 256 /* bytes of the file, with the NUL */
#define LOCK_MS	  10000

/* What follows the first line of an owner. */
static const struct keyed_field owner_fields[] = {
	KEYED_OPTIONAL(struct state_owner, home.inode, KEYED_NUMBER),
	KEYED_OPTIONAL(struct state_owner, home.birth, KEYED_NUMBER),
};

/* Decimal digits up to `end`. Moves *at past `end`. */
static bool take_number(const char **at, char end, uint64_t max, uint64_t *value)
{
	const char *p = *at;
	uint64_t n = 0;

	for (; *p >= '0' && *p <= '9' && n <= max; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	if (p == *at || n > max || *p != end || (**at == '0' && p - *at > 1))
		return false;
	*at = end ? p + 1 : p;
	*value = n;
	return true;
}

/* "<uid> <name> <unix time>\n", and owner_fields. A name may have spaces in it, where a directory service allows that. */
static bool parse_owner(char *text, struct state_owner *owner)
{
	const char *at = text;
	char *newline = strchr(text, '\n'), *last;
	uint64_t uid;

	if (!newline || !take_number(&at, ' ', UINT32_MAX - 1, &uid))
		return false;
	*newline = '\0';
	last = strrchr(text, ' ');
	if (!last || last <= at)
		return false;
	*last = '\0';
	const char *since = last + 1;
	owner->uid = (uid_t)uid;
	return text_format(owner->name, sizeof(owner->name), "%s", at) == 0 &&
	       take_number(&since, '\0', INT64_MAX / 16, &owner->since) &&
	       keyed_parse(newline + 1, owner_fields, ARRAY_SIZE(owner_fields), owner, NULL) == 0;
}

int state_read_owner(int user_fd, struct state_owner *owner, struct carrel_error *err)
{
	char text[OWNER_MAX];
	struct stat st;

	memset(owner, 0, sizeof(*owner));
	ssize_t n = fs_read_at(user_fd, STATE_OWNER, text, sizeof(text));
	if (n < 0)
		return error_set(err, (int)-n, "cannot read '" STATE_OWNER "': %s", strerror((int)-n));
	if (strlen(text) != (size_t)n || !parse_owner(text, owner))
		return error_set(err, EBADMSG, "'" STATE_OWNER "' is damaged");
	if (fstatat(user_fd, STATE_OWNER, &st, AT_SYMLINK_NOFOLLOW) == 0)
		owner->last_login = (uint64_t)st.st_mtime;
	return 0;
}

int state_write_owner(int user_fd, const struct state_owner *owner, struct carrel_error *err)
{
	char text[OWNER_MAX];
	size_t used = (size_t)snprintf(text, sizeof(text), "%u %s %" PRIu64 "\n", owner->uid, owner->name,
				       owner->since);
	ssize_t more = keyed_format(text + used, sizeof(text) - used, owner_fields, ARRAY_SIZE(owner_fields),
				    owner);
	int r = more < 0 ? (int)more : fs_replace_at(user_fd, STATE_OWNER, text, used + (size_t)more, 0600);

	return r < 0 ? error_set(err, -r, "cannot write '" STATE_OWNER "' of uid %u: %s", owner->uid,
				 strerror(-r))
		     : 0;
}

void state_mark_login(int user_fd)
{
	(void)utimensat(user_fd, STATE_OWNER, NULL, AT_SYMLINK_NOFOLLOW);
}

int state_read_image(int user_fd, char name[IMAGE_NAME_MAX + 1], struct carrel_error *err)
{
	char text[IMAGE_NAME_MAX + 2];
	ssize_t n = fs_read_at(user_fd, STATE_IMAGE, text, sizeof(text));

	if (n < 0)
		return error_set(err, (int)-n, "cannot read the remembered image: %s", strerror((int)-n));
	text[strcspn(text, "\n")] = '\0';
	if (!image_name_valid(text))
		return error_set(err, EINVAL, "the remembered image is damaged");
	return text_format(name, IMAGE_NAME_MAX + 1, "%s", text);
}

int state_write_image(int user_fd, const char *name, struct carrel_error *err)
{
	char line[IMAGE_NAME_MAX + 2];
	int n = snprintf(line, sizeof(line), "%s\n", name);
	int r = n < (int)sizeof(line) ? fs_replace_at(user_fd, STATE_IMAGE, line, (size_t)n, 0600)
				      : -ENAMETOOLONG;

	return r < 0 ? error_set(err, -r, "cannot remember the image: %s", strerror(-r)) : 0;
}

bool state_name_valid(const char *name, uid_t *uid, bool *kept)
{
	const char *at = name;
	uint64_t n;

	if (strlen(name) >= STATE_NAME_MAX || strchr(name, '/'))
		return false;
	*kept = false;
	if (take_number(&at, '\0', UINT32_MAX - 1, &n)) {
		*uid = (uid_t)n;
		return true;
	}
	const char *last = strrchr(name, '.');
	*kept = true;
	if (!take_number(&at, '.', UINT32_MAX - 1, &n) || last <= at)
		return false;
	*uid = (uid_t)n;
	last++;
	return take_number(&last, '\0', INT64_MAX / 16, &n);
}

int state_lock(int users_fd, const char *name, int timeout_ms, struct carrel_error *err)
{
	for (int i = 0; i < ATTEMPTS; i++) {
		struct stat mine, named;
		_cleanup_close_ int fd = openat(users_fd, name,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0)
			return error_errno(err, "cannot open the state directory '%s'", name);
		int r = fs_lock(fd, timeout_ms);
		if (r == -ETIMEDOUT)
			return error_set(err, ETIMEDOUT,
					 "the files of uid %s are locked, since somebody is working on them: "
					 "try again later",
					 name);
		if (r < 0)
			return error_set(err, -r, "cannot lock the state directory '%s': %s", name,
					 strerror(-r));
		/* Whoever had the lock before may have removed the state or kept it aside. */
		if (fstat(fd, &mine) == 0 && fstatat(users_fd, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
		    mine.st_dev == named.st_dev && mine.st_ino == named.st_ino)
			return steal_fd(&fd);
	}
	return error_set(err, ENOENT, "the state directory '%s' is gone", name);
}

static int sync_users(int users_fd, struct carrel_error *err)
{
	_cleanup_close_ int fd = openat(users_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? error_errno(err, "cannot write the users' directory to disk") : 0;
}

/* While it is held nobody reads the names of states to find a block of ids that is free: one renamed meanwhile might be missed. */
static int lock_names(int users_fd, struct carrel_error *err)
{
	_cleanup_close_ int fd = openat(users_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = fd < 0 ? -errno : fs_lock(fd, LOCK_MS);

	return r < 0 ? error_set(err, -r, "cannot lock the users' directory: %s", strerror(-r))
		     : steal_fd(&fd);
}

/* Give the state `from` of `owner` the first name for one kept aside that is free. */
static int move_aside(int users_fd, const char *from, const struct state_owner *owner,
		      char name[STATE_NAME_MAX], struct carrel_error *err)
{
	char safe[sizeof(owner->name)];
	uint64_t now = (uint64_t)time(NULL);

	(void)text_format(safe, sizeof(safe), "%s", *owner->name ? owner->name : "unknown");
	for (char *p = safe; *p; p++)
		if (*p == '/' || (unsigned char)*p <= ' ')
			*p = '_';
	for (uint64_t i = 0; i < 100; i++) {
		int r = text_format(name, STATE_NAME_MAX, "%u.%s.%" PRIu64, owner->uid, safe, now + i);
		if (r < 0)
			return error_set(err, -r, "the name of uid %u is too long", owner->uid);
		if (renameat2(users_fd, from, users_fd, name, RENAME_NOREPLACE) == 0)
			return sync_users(users_fd, err);
		if (errno != EEXIST)
			break;
	}
	return error_errno(err, "cannot keep the files of '%s' aside", safe);
}

int state_keep_aside(int users_fd, const struct state_owner *owner, char name[STATE_NAME_MAX],
		     struct carrel_error *err)
{
	_cleanup_close_ int locked = lock_names(users_fd, err);
	char from[16];

	(void)snprintf(from, sizeof(from), "%u", owner->uid);
	return locked < 0 ? locked : move_aside(users_fd, from, owner, name, err);
}

int state_adopt(int users_fd, const char *kept, uid_t uid, const struct state_owner *now,
		char name[STATE_NAME_MAX], struct carrel_error *err)
{
	_cleanup_close_ int locked = lock_names(users_fd, err);
	char to[16];

	if (locked < 0)
		return locked;
	(void)snprintf(to, sizeof(to), "%u", uid);
	if (renameat2(users_fd, kept, users_fd, to, now ? RENAME_EXCHANGE : RENAME_NOREPLACE) < 0)
		return error_errno(err, "cannot make '%s' the state of uid %u", kept, uid);
	return now ? move_aside(users_fd, kept, now, name, err) : sync_users(users_fd, err);
}

int state_remove(int users_fd, const char *name, struct carrel_error *err)
{
	char hidden[STATE_NAME_MAX + sizeof(STATE_REMOVED) + 24];

	(void)snprintf(hidden, sizeof(hidden), STATE_REMOVED "%s-%llx", name,
		       (unsigned long long)fs_now_ms());
	if (renameat2(users_fd, name, users_fd, hidden, RENAME_NOREPLACE) < 0)
		return error_errno(err, "cannot remove '%s'", name);
	int r = sync_users(users_fd, err);
	if (r < 0)
		return r;
	r = fs_remove_tree(users_fd, hidden);
	return r < 0 ? error_set(err, -r, "cannot remove all files of '%s': %s ('carrelctl gc' tries again)",
				 name, strerror(-r))
		     : 0;
}

int state_sweep(int users_fd, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(users_fd);
	struct dirent *entry;
	int removed = 0, failed = 0;

	if (!dir)
		return error_errno(err, "cannot read the users' directory");
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, STATE_REMOVED, strlen(STATE_REMOVED)) != 0)
			continue;
		/* Whoever is removing it has its lock. */
		_cleanup_close_ int fd = openat(users_fd, entry->d_name,
						O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
			continue;
		int r = fs_remove_tree(users_fd, entry->d_name);
		if (r == 0)
			removed++;
		else if (failed == 0)
			failed = error_set(err, -r, "cannot remove '%s': %s", entry->d_name, strerror(-r));
	}
	return failed < 0 ? failed : removed;
}
