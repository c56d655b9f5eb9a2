/*
 * user.c - see user.h. Used by the keeper and carrelctl, on the host, before a policy is decided.
 *
 * A lookup that fails is an error, never "no such group": a group that is silently missing could make
 * a covered user an uncovered one.
 */
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define LOOKUP_BUFFER_FIRST 4096u
#define LOOKUP_BUFFER_LAST  (16u << 20) /* a group's entry lists every member */
#define GROUPS_FIRST	    64
#define GROUPS_LAST	    65536 /* NGROUPS_MAX */

/* What nss modules return for "not there" beside the documented 0 (getpwnam(3), NOTES). */
static bool means_missing(int code)
{
	return code == 0 || code == ENOENT || code == ESRCH;
}

static int out_of_memory(struct carrel_error *err)
{
	error_set(err, ENOMEM, "out of memory");
	return -ENOMEM;
}

/* Replace a lookup's buffer by a larger one; NULL and 0 at first. */
static int grow_buffer(char **buffer, size_t *size, struct carrel_error *err)
{
	*size = *size ? *size * 2 : LOOKUP_BUFFER_FIRST;
	free(*buffer);
	*buffer = NULL;
	if (*size > LOOKUP_BUFFER_LAST) {
		error_set(err, E2BIG, "an entry of the user or group database is too large");
		return -E2BIG;
	}
	*buffer = malloc(*size);
	return *buffer ? 0 : out_of_memory(err);
}

/* getpwnam_r with a buffer that is large enough, to be freed by the caller also after a failure. */
static int lookup_passwd(const char *name, struct passwd *entry, char **buffer, struct carrel_error *err)
{
	struct passwd *found = NULL;
	size_t size = 0;
	int code;

	do {
		int r = grow_buffer(buffer, &size, err);
		if (r)
			return r;
		code = getpwnam_r(name, entry, *buffer, size, &found);
	} while (!found && code == ERANGE);
	if (found)
		return 0;
	if (means_missing(code))
		return error_set(err, ENOENT, "no such user '%.64s'", name);
	return error_set(err, code, "cannot look up user '%.64s': %s", name, strerror(code));
}

/*
 * getgrnam_r, or getgrgid_r where there is no name, with a buffer that is large enough, to be freed by the caller also after a failure.
 * 1, 0: no such group, or -errno.
 */
static int lookup_group(const char *name, gid_t gid, struct group *entry, char **buffer,
			struct carrel_error *err)
{
	struct group *found = NULL;
	size_t size = 0;
	int code;

	do {
		int r = grow_buffer(buffer, &size, err);
		if (r)
			return r;
		code = name ? getgrnam_r(name, entry, *buffer, size, &found)
			    : getgrgid_r(gid, entry, *buffer, size, &found);
	} while (!found && code == ERANGE);
	if (found || means_missing(code))
		return found != NULL;
	return name ? error_set(err, code, "cannot look up group '%.64s': %s", name, strerror(code))
		    : error_set(err, code, "cannot look up group %u: %s", gid, strerror(code));
}

/* The name of a group, allocated; NULL in *name when the number has none. */
static int name_group(gid_t gid, char **name, struct carrel_error *err)
{
	struct group entry;
	char *buffer = NULL;
	int r = lookup_group(NULL, gid, &entry, &buffer, err);

	*name = r > 0 ? strdup(entry.gr_name) : NULL;
	if (r > 0)
		r = *name ? 0 : out_of_memory(err);
	free(buffer);
	return r;
}

/* The numbers of all groups, allocated, and how many. glibc puts the primary one first and gives each once. */
static int lookup_gids(const char *name, gid_t primary, gid_t **gids, struct carrel_error *err)
{
	for (int size = GROUPS_FIRST; size <= GROUPS_LAST; size *= 4) {
		gid_t *list = calloc((size_t)size, sizeof(*list));
		int count = size;

		if (!list)
			return out_of_memory(err);
		if (getgrouplist(name, primary, list, &count) >= 0) {
			*gids = list;
			return count;
		}
		free(list);
	}
	return error_set(err, E2BIG, "user '%.64s' is in too many groups", name);
}

static int fill_groups(struct user_facts *facts, struct carrel_error *err)
{
	gid_t *gids = NULL;
	size_t used = 0;

	int count = lookup_gids(facts->name, facts->gid, &gids, err);
	int r = count < 0 ? count : 0;
	if (!r) {
		facts->groups = calloc((size_t)count + 1, sizeof(char *));
		r = facts->groups ? 0 : out_of_memory(err);
	}
	for (int i = 0; !r && i < count; i++) {
		r = name_group(gids[i], &facts->groups[used], err);
		used += facts->groups[used] != NULL;
	}
	free(gids);
	return r;
}

static int fill_facts(const struct passwd *entry, struct user_facts *facts, struct carrel_error *err)
{
	struct utsname host;

	if (uname(&host) < 0)
		return error_errno(err, "cannot get the host's name");
	host.nodename[strcspn(host.nodename, ".")] = '\0';
	facts->uid = entry->pw_uid;
	facts->gid = entry->pw_gid;
	facts->name = strdup(entry->pw_name);
	facts->home = strdup(entry->pw_dir ? entry->pw_dir : "");
	facts->shell = strdup(entry->pw_shell ? entry->pw_shell : "");
	facts->host = strdup(host.nodename);
	if (!facts->name || !facts->home || !facts->shell || !facts->host)
		return out_of_memory(err);
	return fill_groups(facts, err);
}

int user_facts_get(const char *name, struct user_facts *facts, struct carrel_error *err)
{
	struct passwd entry = { 0 };
	char *buffer = NULL;

	memset(facts, 0, sizeof(*facts));
	int r = lookup_passwd(name, &entry, &buffer, err);
	if (!r)
		r = fill_facts(&entry, facts, err);
	if (r)
		user_facts_clear(facts);
	free(buffer);
	return r;
}

void user_facts_clear(struct user_facts *facts)
{
	for (char **group = facts->groups; group && *group; group++)
		free(*group);
	free(facts->groups);
	free(facts->name);
	free(facts->home);
	free(facts->shell);
	free(facts->host);
	memset(facts, 0, sizeof(*facts));
}

int user_exists(const char *name, struct carrel_error *err)
{
	struct passwd entry;
	char *buffer = NULL;
	int r = lookup_passwd(name, &entry, &buffer, err);

	free(buffer);
	return r == 0 ? 1 : r == -ENOENT ? 0 : r;
}

int user_group_exists(const char *name, struct carrel_error *err)
{
	struct group entry;
	char *buffer = NULL;
	int r = lookup_group(name, 0, &entry, &buffer, err);

	free(buffer);
	return r;
}
