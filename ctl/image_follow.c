/*
 * image_follow.c - entries of a layer whose path goes through links of the image, such as lib/NAME where a layer below has
 * made lib a link to usr/lib. Runs in the confined child, whose "/" is the image.
 *
 * What is meant is what the link leads to in the image, as everything that unpacks layers has it. So the directories of a path
 * are followed here, by the text of the links, and libarchive gets a path without any. It still refuses to go through a
 * link, so that a mistake made here could not lead anywhere. Nobody else changes the image meanwhile.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/image.h"
#include "core/text.h"
#include "image_reader.h"

#define LINKS_MAX 40 /* on the way to one file, as for the kernel */

struct way {
	char done[READER_PATH_MAX]; /* without links, below "/", which is the working directory */
	char rest[READER_PATH_MAX]; /* directories that are still to be looked at */
	unsigned links;
};

static void go_up(struct way *way)
{
	char *slash = strrchr(way->done, '/');

	*(slash ? slash : way->done) = '\0';
}

/* What way->done is a link to comes before what follows. Where there is nothing (yet) there is no link. */
static int follow(struct way *way)
{
	char target[READER_PATH_MAX], rest[READER_PATH_MAX];
	ssize_t n = readlink(way->done, target, sizeof(target) - 1);

	if (n < 0)
		return errno == EINVAL || errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
	target[n] = '\0';
	if (++way->links > LINKS_MAX)
		return -ELOOP;
	if (*target == '/')
		way->done[0] = '\0';
	else
		go_up(way);
	memcpy(rest, way->rest, sizeof(rest));
	return text_format(way->rest, sizeof(way->rest), "%s/%s", target, rest);
}

static int take_component(struct way *way)
{
	char above[READER_PATH_MAX], name[READER_PATH_MAX];
	size_t length = strcspn(way->rest, "/"), used = length + (way->rest[length] == '/');

	memcpy(name, way->rest, length);
	name[length] = '\0';
	memmove(way->rest, way->rest + used, strlen(way->rest + used) + 1);
	if (!length || strcmp(name, ".") == 0)
		return 0;
	if (strcmp(name, "..") == 0) {
		go_up(way);
		return 0;
	}
	memcpy(above, way->done, sizeof(above));
	int r = text_format(way->done, sizeof(way->done), "%s%s%s", above, *above ? "/" : "", name);
	return r < 0 ? r : follow(way);
}

/* Replace a clean path by one whose directories are no links. What it names itself may be one. */
static int follow_path(char path[READER_PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	char whole[READER_PATH_MAX];
	struct way way = { .links = 0 };
	int r = 0;

	if (!slash)
		return 0;
	memcpy(way.rest, path, (size_t)(slash - path));
	while (r == 0 && way.rest[0])
		r = take_component(&way);
	if (r == 0)
		r = text_format(whole, sizeof(whole), "%s%s", way.done, slash);
	/* The limits hold for where it leads to. With no directory left that begins with the slash. */
	return r < 0 ? r : image_entry_path(whole + strspn(whole, "/"), path, READER_PATH_MAX);
}

static int check(struct reader *reader, int r)
{
	if (r == 0)
		return 0;
	return reader_refuse(reader, -r,
			     r == -ELOOP	  ? "too many links lead to it"
			     : r == -ENAMETOOLONG ? "the path is too long or too deep"
						  : "cannot follow the links that lead to it");
}

int layer_follow_links(struct reader *reader, struct archive_entry *entry)
{
	char path[READER_PATH_MAX];
	int r = check(reader, follow_path(reader->path));

	if (r < 0)
		return r;
	archive_entry_set_pathname(entry, reader->path);
	if (!archive_entry_hardlink(entry))
		return 0;
	r = text_format(path, sizeof(path), "%s", archive_entry_hardlink(entry));
	if (r == 0)
		r = follow_path(path);
	if (r == 0)
		archive_entry_set_hardlink(entry, path);
	return check(reader, r);
}
