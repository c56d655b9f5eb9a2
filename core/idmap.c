/*
 * idmap.c - see idmap.h. Used by the keeper, as root, on the host.
 */
#include "idmap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "state.h"
#include "subid.h"
#include "text.h"

/*
 * Where blocks are made up when /etc/subuid has none: from 2^31, above login uids, the default subordinate
 * ranges and systemd's container range (524288..1879048191), below the reserved ids at the very top. Where somebody
 * has been given all of these (podman's manual proposes that), between systemd's and these.
 */
#define FIRST_BLOCK 0x80000000u
#define BLOCKS	    32000u
#define FIRST_LOW   (SYSTEMD_LAST + 1)
#define LOW_BLOCKS  4096u

/* One decimal number and the character after it. Moves *at past both. */
static bool take_number(char **at, char after, uint32_t *value)
{
	char *end = *at;

	errno = 0;
	unsigned long n = **at >= '0' && **at <= '9' ? strtoul(*at, &end, 10) : 0;
	if (end == *at || errno || n > UINT32_MAX - IDMAP_COUNT || *end != after)
		return false;
	*value = (uint32_t)n;
	*at = end + 1;
	return true;
}

/* "<uid base> <gid base>\n" of the user whose directory is dirfd/path. */
static int read_ids(int dirfd, const char *path, struct idmap *map)
{
	char text[64], *at = text;

	ssize_t n = fs_read_at(dirfd, path, text, sizeof(text));
	if (n < 0)
		return (int)n;
	return take_number(&at, ' ', &map->uid_base) && take_number(&at, '\n', &map->gid_base) && !*at
		       ? 0
		       : -EINVAL;
}

/* What a block may not overlap with: systemd gives ids of this range to containers without asking anybody. */
#define SYSTEMD_FIRST 524288u
#define SYSTEMD_LAST  1879048191u

static bool is_in(uint32_t base, uint32_t id)
{
	return id >= base && id - base < IDMAP_COUNT;
}

/* A login whose own uid or group is in the block would own files of the sandbox. False: none that NSS lists. */
static bool has_login(const struct idmap *map, struct carrel_error *why)
{
	const struct passwd *entry;
	bool found = false;

	setpwent();
	while (!found && (entry = getpwent())) {
		found = is_in(map->uid_base, entry->pw_uid) || is_in(map->gid_base, entry->pw_gid);
		if (found)
			error_set(why, EEXIST, "it has the uid or group of user '%s' in it", entry->pw_name);
	}
	endpwent();
	return found;
}

bool idmap_is_reserved(const struct idmap *map, struct carrel_error *why)
{
	const uint32_t bases[] = { map->uid_base, map->gid_base };

	for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
		if (bases[i] < IDMAP_COUNT || bases[i] > UINT32_MAX - IDMAP_COUNT)
			return error_set(why, EINVAL, "it has ids of the system in it"), true;
		if (bases[i] <= SYSTEMD_LAST && bases[i] + (IDMAP_COUNT - 1) >= SYSTEMD_FIRST)
			return error_set(why, EEXIST,
					 "it overlaps with systemd's range for containers, %u-%u",
					 SYSTEMD_FIRST, SYSTEMD_LAST),
			       true;
	}
	return false;
}

static bool overlaps(uint32_t a, uint32_t b)
{
	return a < b + IDMAP_COUNT && b < a + IDMAP_COUNT;
}

/* Whether a remembered block of another state overlaps with `map`. Those kept aside count, too. 1: taken, with the reason. */
static int is_taken(int users_fd, uid_t self, const struct idmap *map, struct carrel_error *why)
{
	_cleanup_dir_ DIR *dir = fs_opendir(users_fd);
	char mine[16];

	if (!dir)
		return error_errno(why, "cannot read the id blocks of the other users");
	snprintf(mine, sizeof(mine), "%u", self);
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct idmap other;
		char path[300];

		if (entry->d_name[0] == '.' || strcmp(entry->d_name, mine) == 0 ||
		    text_format(path, sizeof(path), "%s/" STATE_IDS, entry->d_name) < 0)
			continue;
		if (read_ids(users_fd, path, &other) < 0)
			continue;
		if (overlaps(map->uid_base, other.uid_base) || overlaps(map->gid_base, other.gid_base))
			return error_set(why, EEXIST, "it overlaps with that of '%s'", entry->d_name), 1;
	}
	return 0;
}

/* What /etc/subuid and /etc/subgid give to others. */
struct given {
	struct subid_list uids, gids;
};

static void given_free(struct given *given)
{
	free(given->uids.ranges);
	free(given->gids.ranges);
}

static int given_read(struct given *given, uid_t uid, const char *name, struct carrel_error *err)
{
	int r = subid_read_others(SUBID_UIDS, uid, name, &given->uids, err);

	return r < 0 ? r : subid_read_others(SUBID_GIDS, uid, name, &given->gids, err);
}

/* Somebody else's containers have these ids, or will. */
static bool is_given(const struct given *given, const struct idmap *map, struct carrel_error *why)
{
	const struct subid_range *uids = subid_find(&given->uids, map->uid_base);
	const struct subid_range *gids = subid_find(&given->gids, map->gid_base);

	if (uids || gids)
		error_set(why, EEXIST, "it overlaps with the range of '%s' in %s",
			  uids ? uids->owner : gids->owner, uids ? SUBID_UIDS : SUBID_GIDS);
	return uids || gids;
}

/* What is quick to find out comes first: there may be many blocks to go through. */
static int is_refused(int users_fd, uid_t uid, const struct given *given, const struct idmap *map,
		      struct carrel_error *why)
{
	if (idmap_is_reserved(map, why) || is_given(given, map, why))
		return 1;
	/* Not every source of NSS lists its users. */
	if (is_in(map->uid_base, uid))
		return error_set(why, EEXIST, "it has uid %u itself in it", uid), 1;
	return has_login(map, why) ? 1 : is_taken(users_fd, uid, map, why);
}

int idmap_is_refused(int users_fd, uid_t uid, const char *name, const struct idmap *map,
		     struct carrel_error *why)
{
	_cleanup_(given_free) struct given given = { 0 };
	int r = given_read(&given, uid, name, why);

	return r < 0 ? r : is_refused(users_fd, uid, &given, map, why);
}

static int allocate(int users_fd, uid_t uid, const struct given *given, struct idmap *map,
		    struct carrel_error *err)
{
	struct carrel_error why = { 0 };

	/* Start at a place that depends on the uid, so that the first try is nearly always free. */
	for (uint32_t i = 0; i < BLOCKS + LOW_BLOCKS; i++) {
		map->uid_base = i < BLOCKS ? FIRST_BLOCK + (uid + i) % BLOCKS * IDMAP_COUNT
					   : FIRST_LOW + (uid + i) % LOW_BLOCKS * IDMAP_COUNT;
		map->gid_base = map->uid_base;
		int taken = is_refused(users_fd, uid, given, map, &why);
		if (taken < 0)
			*err = why;
		if (taken <= 0)
			return taken;
	}
	return error_set(err, ENOSPC, "no block of user ids is free, the last one, from %u, since %s",
			 map->uid_base, why.msg);
}

int idmap_check_login(int users_fd, uid_t uid, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(users_fd);

	if (!dir)
		return error_errno(err, "cannot read the id blocks of the other users");
	for (struct dirent *entry; (entry = readdir(dir));) {
		struct idmap other;
		char path[300];

		if (entry->d_name[0] == '.' ||
		    text_format(path, sizeof(path), "%s/" STATE_IDS, entry->d_name) < 0 ||
		    read_ids(users_fd, path, &other) < 0)
			continue;
		if (is_in(other.uid_base, uid))
			return error_set(err, EEXIST, "uid %u is in the block of ids of the sandbox of '%s'",
					 uid, entry->d_name);
	}
	return 0;
}

int idmap_read(int user_fd, struct idmap *map, struct carrel_error *err)
{
	int r = read_ids(user_fd, STATE_IDS, map);

	return r < 0 ? error_set(err, -r, "cannot read the id block: %s", strerror(-r)) : 0;
}

static int remember(int user_fd, uid_t uid, const struct idmap *map, struct carrel_error *err)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%u %u\n", map->uid_base, map->gid_base);
	int r = fs_replace_at(user_fd, STATE_IDS, text, (size_t)n, 0600);

	return r < 0 ? error_set(err, -r, "cannot remember the id block of uid %u: %s", uid, strerror(-r))
		     : 0;
}

int idmap_get(int users_fd, int user_fd, uid_t uid, const char *name, struct idmap *map,
	      struct carrel_error *note, struct carrel_error *err)
{
	_cleanup_(given_free) struct given given = { 0 };
	int r = read_ids(user_fd, STATE_IDS, map);

	note->msg[0] = '\0';
	if (r == 0)
		return is_in(map->uid_base, uid)
			       ? error_set(err, EEXIST, "uid %u is in its own block of ids", uid)
			       : 0;
	if (r != -ENOENT)
		return error_set(err, -r, "cannot read '" STATE_IDS "' of uid %u: %s", uid, strerror(-r));
	r = idmap_check_login(users_fd, uid, err);
	if (r == 0)
		r = given_read(&given, uid, name, err);
	if (r < 0)
		return r;
	int refused = subid_own(name, &map->uid_base, &map->gid_base)
			      ? is_refused(users_fd, uid, &given, map, note)
			      : -ENOENT;
	if (refused == 1)
		error_context(
			note,
			"the range of '%s' in /etc/subuid or /etc/subgid, from %u and %u, is not used: it "
			"gets another",
			name, map->uid_base, map->gid_base);
	if (refused != 0)
		r = allocate(users_fd, uid, &given, map, err);
	return r < 0 ? r : remember(user_fd, uid, map, err);
}

static int write_map(pid_t pid, const char *file, const char *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return fs_write_at(AT_FDCWD, path, text);
}

/* The ids from `first` up to but not `end`, as they are. */
static size_t add_same(uint64_t first, uint64_t end, char *out, size_t used)
{
	int n = first < end ? snprintf(out + used, IDMAP_LINES_MAX - used,
				       "%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", first, first, end - first)
			    : 0;

	return used + (size_t)n;
}

int idmap_host_lines(uint32_t id, uint32_t base, uint32_t inner, char out[IDMAP_LINES_MAX])
{
	const uint64_t block_end = (uint64_t)base + IDMAP_COUNT, all = UINT32_MAX; /* which is no id itself */
	size_t used = (size_t)snprintf(out, IDMAP_LINES_MAX, "%u %u 1\n", id, base + inner);
	/* Two holes, in order. */
	uint64_t low = id < base ? id : base, low_end = id < base ? (uint64_t)id + 1 : block_end;
	uint64_t high = id < base ? base : id, high_end = id < base ? block_end : (uint64_t)id + 1;

	used = add_same(0, low, out, used);
	used = add_same(low_end, high, out, used);
	used = add_same(high_end, all, out, used);
	return used < IDMAP_LINES_MAX ? 0 : -ENAMETOOLONG;
}

/* What the process that a user namespace is born with works with; it runs in our memory. */
struct holder {
	int ours, theirs;
};

/* Wait for the other end of the socket to be closed. Its descriptors are its own copies. */
static int hold(void *arg)
{
	const struct holder *holder = arg;
	char byte;

	close(holder->ours);
	while (read(holder->theirs, &byte, 1) < 0 && errno == EINTR)
		;
	_exit(0);
}

int idmap_userns(const char *uid_map, const char *gid_map, struct carrel_error *err)
{
	char stack[16 * 1024] __attribute__((aligned(16)));
	char path[64];
	int pair[2], fd = -1;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return error_errno(err, "cannot make a socket pair");
	_cleanup_close_ int ours = pair[0], theirs = pair[1];
	struct holder holder = { ours, theirs };
	/* Without a copy of our memory, which the process has no use for. */
	pid_t pid = clone(hold, stack + sizeof(stack), CLONE_VM | CLONE_NEWUSER | SIGCHLD, &holder);
	if (pid < 0)
		return error_errno(err, "cannot make a user namespace");
	int r = write_map(pid, "uid_map", uid_map);
	if (r == 0)
		r = write_map(pid, "gid_map", gid_map);
	snprintf(path, sizeof(path), "/proc/%d/ns/user", pid);
	if (r == 0) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		r = fd < 0 ? -errno : 0;
	}
	close_fd(&theirs);
	close_fd(&ours);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r < 0 ? error_set(err, -r, "cannot map ids in a user namespace: %s", strerror(-r)) : fd;
}
