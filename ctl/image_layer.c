/*
 * image_layer.c - layers of an OCI or Docker image, which lie one on another: what one takes away from those
 * below it. Runs in the confined child, whose "/" is what they have come to.
 *
 * As the OCI image specification has it: ".wh.NAME" takes NAME away, ".wh..wh..opq" all that lies in its
 * directory; ".wh..wh.*" are otherwise notes of a storage driver's. And anything but a directory takes the place of
 * a whole directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "image_reader.h"

#define WHITEOUT      ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE	      ".wh..wh..opq"

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool layer_is_whiteout(const char *path)
{
	return starts_with(last_component(path), WHITEOUT);
}

/* The directory that `path` lies in, to which no link leads any more: image_follow.c. */
static int open_parent(const char *path)
{
	char parent[READER_PATH_MAX];
	size_t length = (size_t)(last_component(path) - path);

	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return -errno;
	memcpy(parent, path, length);
	memcpy(parent + length, ".", sizeof("."));
	return fs_openat2(root, parent, O_RDONLY | O_DIRECTORY, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
}

/* Whether there is nothing to take away: not made by a layer below, or something else by now. */
static bool is_nowhere(int r)
{
	return r == -ENOENT || r == -ENOTDIR;
}

static int clear_directory(int fd)
{
	_cleanup_dir_ DIR *dir = fs_opendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return -errno;
	while (r == 0 && (entry = readdir(dir)))
		if (fs_is_component(entry->d_name))
			r = fs_remove_tree(fd, entry->d_name);
	return r;
}

static int remove_below(struct reader *reader, const char *name)
{
	_cleanup_close_ int parent = open_parent(reader->path);
	int r = parent < 0 ? parent : 0;

	if (r == 0)
		r = strcmp(name, OPAQUE) == 0 ? clear_directory(parent) : fs_remove_tree(parent, name);
	return r < 0 && !is_nowhere(r)
		       ? reader_refuse(reader, -r, "cannot take away what it does from the layers below")
		       : 0;
}

/*
 * What libarchive replaces by itself is only what is no directory, and only later: names that come after this one may go through a
 * link that this entry is, or takes the place of.
 */
static int make_way(struct reader *reader, struct archive_entry *entry)
{
	const char *name = last_component(reader->path);
	mode_t kind = archive_entry_hardlink(entry) ? AE_IFREG : archive_entry_filetype(entry);
	_cleanup_close_ int parent = open_parent(reader->path);
	struct stat st;
	int r = 0;

	if (parent < 0)
		return 0;
	if (fstatat(parent, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	    (S_ISLNK(st.st_mode) || (S_ISDIR(st.st_mode) && kind != AE_IFDIR)))
		r = remove_below(reader, name);
	/* Made again with all else. */
	if (r == 0 && kind == AE_IFLNK && symlinkat(archive_entry_symlink(entry), parent, name) < 0 &&
	    errno != EEXIST)
		return reader_refuse(reader, errno, "cannot make a link");
	return r;
}

static int clear_one(struct reader *reader, struct archive_entry *entry)
{
	int r = layer_follow_links(reader, entry);
	const char *name = last_component(reader->path);

	if (r < 0)
		return r;
	if (!starts_with(name, WHITEOUT))
		return make_way(reader, entry);
	if (strcmp(name, OPAQUE) == 0)
		return remove_below(reader, name);
	if (starts_with(name, WHITEOUT_META))
		return 0;
	if (!fs_is_component(name + strlen(WHITEOUT)))
		return reader_refuse(reader, EINVAL, "it takes away something that is no name");
	return remove_below(reader, name + strlen(WHITEOUT));
}

int layer_clear(struct reader *reader)
{
	struct archive_entry *entry;
	int r;

	while ((r = reader_next(reader, &entry)) > 0) {
		r = clear_one(reader, entry);
		if (r < 0)
			return r;
	}
	return r;
}
