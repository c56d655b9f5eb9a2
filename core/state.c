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
#include "text.h"

#define ATTEMPTS 16

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

/* "<uid> <name> <unix time>\n". A name may have spaces in it, where a directory service allows that. */
static bool parse_owner(char *text, struct state_owner *owner)
{
	const char *at = text;
	char *newline = strchr(text, '\n'), *last;
	uint64_t uid;

	if (!newline || newline[1] || !take_number(&at, ' ', UINT32_MAX - 1, &uid))
		return false;
	*newline = '\0';
	last = strrchr(text, ' ');
	if (!last || last <= at)
		return false;
	*last = '\0';
	const char *since = last + 1;
	owner->uid = (uid_t)uid;
	return text_format(owner->name, sizeof(owner->name), "%s", at) == 0 &&
	       take_number(&since, '\0', INT64_MAX / 16, &owner->since);
}

int state_read_owner(int user_fd, struct state_owner *owner, struct carrel_error *err)
{
	char text[160];
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

int state_write_owner(int user_fd, uid_t uid, const char *name, struct carrel_error *err)
{
	char text[160];

	if (strlen(name) >= sizeof(((struct state_owner *)0)->name))
		return error_set(err, ENAMETOOLONG, "the name of uid %u is too long", uid);
	int n = snprintf(text, sizeof(text), "%u %s %" PRIu64 "\n", uid, name, (uint64_t)time(NULL));
	int r = fs_replace_at(user_fd, STATE_OWNER, text, (size_t)n, 0600);
	return r < 0 ? error_set(err, -r, "cannot write '" STATE_OWNER "' of uid %u: %s", uid, strerror(-r))
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

int state_keep_aside(int users_fd, const struct state_owner *owner, char name[STATE_NAME_MAX],
		     struct carrel_error *err)
{
	char from[16], safe[sizeof(owner->name)];
	uint64_t now = (uint64_t)time(NULL);

	(void)snprintf(from, sizeof(from), "%u", owner->uid);
	(void)text_format(safe, sizeof(safe), "%s", owner->name);
	for (char *p = safe; *p; p++)
		if (*p == '/' || (unsigned char)*p <= ' ')
			*p = '_';
	for (uint64_t i = 0; i < 100; i++) {
		int r = text_format(name, STATE_NAME_MAX, "%s.%s.%" PRIu64, from, safe, now + i);
		if (r < 0)
			return error_set(err, -r, "the name of uid %u is too long", owner->uid);
		if (renameat2(users_fd, from, users_fd, name, RENAME_NOREPLACE) == 0)
			return sync_users(users_fd, err);
		if (errno != EEXIST)
			break;
	}
	return error_errno(err, "cannot keep the files of '%s' aside", safe);
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
