/* snapshot.c - see change.h: the records of snapshots, CARREL_USERS/UID/snapshot.NAME. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "array.h"
#include "change_internal.h"
#include "cleanup.h"
#include "keyed.h"
#include "text.h"

#define FIELD(member, kind) KEYED_FIELD(struct snapshot, member, kind)

static const struct keyed_field record_fields[] = {
	FIELD(name, KEYED_STRING),  FIELD(image, KEYED_STRING), FIELD(by, KEYED_STRING),
	FIELD(taken, KEYED_NUMBER), FIELD(bytes, KEYED_NUMBER), FIELD(entries, KEYED_NUMBER),
};

bool snapshot_name_valid(const char *name)
{
	return text_is_name(name, SNAPSHOT_NAME_MAX);
}

static void record_name(char file[sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX], const char *name)
{
	(void)snprintf(file, sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX, SNAPSHOT_PREFIX "%s", name);
}

int snapshot_read(int user_fd, const char *name, struct snapshot *snapshot, struct carrel_error *err)
{
	char text[KEYED_MAX], file[sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX];

	if (!snapshot_name_valid(name))
		return error_set(err, EINVAL, "not a name for a snapshot");
	record_name(file, name);
	ssize_t n = fs_read_at(user_fd, file, text, sizeof(text));
	if (n == -ENOENT)
		return error_set(err, ENOENT, "there is no snapshot '%s'", name);
	if (n < 0)
		return error_set(err, (int)-n, "cannot read the record of snapshot '%s': %s", name,
				 strerror((int)-n));
	memset(snapshot, 0, sizeof(*snapshot));
	int r = strlen(text) == (size_t)n
			? keyed_parse(text, record_fields, ARRAY_SIZE(record_fields), snapshot, err)
			: error_set(err, EBADMSG, "there is a NUL in it");
	if (r == 0 && strcmp(snapshot->name, name) != 0)
		r = error_set(err, EBADMSG, "it is of another snapshot");
	return r < 0 ? error_context(err, "the record of snapshot '%s' is damaged", name) : 0;
}

int snapshot_write(int user_fd, const struct snapshot *snapshot, struct carrel_error *err)
{
	char text[KEYED_MAX], file[sizeof(SNAPSHOT_PREFIX) + SNAPSHOT_NAME_MAX];
	ssize_t size = keyed_format(text, sizeof(text), record_fields, ARRAY_SIZE(record_fields), snapshot);

	record_name(file, snapshot->name);
	int r = size < 0 ? (int)size : fs_replace_at(user_fd, file, text, (size_t)size, 0600);
	return r < 0 ? error_set(err, -r, "cannot write the record of snapshot '%s': %s", snapshot->name,
				 strerror(-r))
		     : 0;
}

static int by_time(const void *a, const void *b)
{
	const struct snapshot *sa = a, *sb = b;

	if (sa->taken != sb->taken)
		return sa->taken < sb->taken ? -1 : 1;
	return strcmp(sa->name, sb->name);
}

int snapshot_list(int user_fd, struct snapshot **list, struct carrel_error *err)
{
	_cleanup_dir_ DIR *dir = fs_opendir(user_fd);
	_cleanup_free_ struct snapshot *found = NULL;
	struct dirent *entry;
	struct snapshot one;
	size_t count = 0;

	if (!dir)
		return error_errno(err, "cannot read the state directory");
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, SNAPSHOT_PREFIX, strlen(SNAPSHOT_PREFIX)) != 0)
			continue;
		int r = snapshot_read(user_fd, entry->d_name + strlen(SNAPSHOT_PREFIX), &one, err);
		if (r < 0)
			return r;
		if (array_append(&found, &count, &one, sizeof(one)) < 0)
			return error_set(err, ENOMEM, "out of memory");
	}
	if (count)
		qsort(found, count, sizeof(*found), by_time);
	*list = steal_ptr(&found);
	return (int)count;
}
