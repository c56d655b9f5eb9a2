/*
 * image_tree.c - see image_tree.h. Run by carrelctl, as root, on trees that may hold anything: nothing is followed,
 * and nothing but regular files and directories is opened.
 */
#include "image_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"

#define DEPTH_MAX   300 /* archives have at most 256, and the sftp-server comes on top */
#define READ_SIZE   65536
#define FIELD_COUNT 7 /* before the path */

struct walker {
	const struct tree_walk *walk;
	struct digest *digest;
	uint64_t entries;
	char path[TREE_PATH_MAX];
	char buffer[READ_SIZE], names[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
};

static int fail(const struct walker *w, const char *what, struct carrel_error *err)
{
	return error_errno(err, "cannot %s '/%s' of the image", what, w->path);
}

/* The digest of a regular file's data. */
static int hash_data(struct walker *w, int dirfd, const char *name, char *hex, struct carrel_error *err)
{
	struct stat st;
	ssize_t n;

	_cleanup_close_ int fd = openat(dirfd, name,
					O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(w, "open", err);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EAGAIN, "'/%s' of the image was changed meanwhile", w->path);
	while ((n = read(fd, w->buffer, READ_SIZE)) != 0) {
		if (n < 0)
			return fail(w, "read", err);
		digest_add(w->digest, w->buffer, (size_t)n);
		int r = progress_check(w->walk->progress, err);
		if (r < 0)
			return r;
	}
	return digest_finish(w->digest, hex);
}

static int hash_link(struct walker *w, int dirfd, const char *name, char *hex, struct carrel_error *err)
{
	ssize_t n = readlinkat(dirfd, name, w->buffer, READ_SIZE);

	if (n < 0)
		return fail(w, "read", err);
	digest_add(w->digest, w->buffer, (size_t)n);
	return digest_finish(w->digest, hex);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Labels are the host's business, and change with its policy. */
static size_t sort_names(char *names, size_t size, const char **sorted, size_t max)
{
	size_t count = 0;

	for (const char *name = names; name < names + size && count < max; name += strlen(name) + 1)
		if (strcmp(name, "security.selinux") != 0)
			sorted[count++] = name;
	qsort(sorted, count, sizeof(*sorted), compare_names);
	return count;
}

/* The digest of all extended attributes, "-" when there is none. `at` is a path, because links cannot be opened. */
static int hash_attributes(struct walker *w, const char *at, char *hex, struct carrel_error *err)
{
	const char *sorted[1024];
	ssize_t size = llistxattr(at, w->names, XATTR_LIST_MAX);

	if (size < 0 && errno != ENOTSUP)
		return fail(w, "read the attributes of", err);
	size_t count = size > 0 ? sort_names(w->names, (size_t)size, sorted, ARRAY_SIZE(sorted)) : 0;
	for (size_t i = 0; i < count; i++) {
		ssize_t n = lgetxattr(at, sorted[i], w->value, XATTR_SIZE_MAX);
		if (n < 0)
			return fail(w, "read the attributes of", err);
		digest_add(w->digest, sorted[i], strlen(sorted[i]) + 1);
		digest_add(w->digest, &n, sizeof(n));
		digest_add(w->digest, w->value, (size_t)n);
	}
	return count ? digest_finish(w->digest, hex) : text_format(hex, DIGEST_HEX_MAX, "-");
}

static char kind_of(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	default:
		return 'b';
	}
}

/* One entry, which is `name` in dirfd, and w->path in the image. */
static int visit(struct walker *w, int dirfd, const char *name, const struct stat *st,
		 struct carrel_error *err)
{
	char content[DIGEST_HEX_MAX] = "-", attributes[DIGEST_HEX_MAX] = "-";
	char at[64 + NAME_MAX], record[TREE_RECORD_MAX];
	bool has_size = S_ISREG(st->st_mode);

	int r = S_ISREG(st->st_mode)   ? hash_data(w, dirfd, name, content, err)
		: S_ISLNK(st->st_mode) ? hash_link(w, dirfd, name, content, err)
				       : 0;
	if (r < 0)
		return r;
	if (text_format(at, sizeof(at), "/proc/self/fd/%d/%s", dirfd, name) < 0)
		return error_set(err, ENAMETOOLONG, "a name in '/%s' is too long", w->path);
	r = hash_attributes(w, at, attributes, err);
	if (r < 0)
		return r;
	if (text_format(record, sizeof(record), "%c %o %u %u %" PRIu64 " %s %s %s", kind_of(st->st_mode),
			(unsigned)(st->st_mode & 07777), st->st_uid, st->st_gid,
			has_size ? (uint64_t)st->st_size : 0, content, attributes, w->path) < 0)
		return error_set(err, ENAMETOOLONG, "the path '/%s' is too long", w->path);
	progress_show(w->walk->progress, ++w->entries, w->walk->entries_expected);
	return w->walk->each(w->walk->arg, record, err);
}

static int is_entry(const struct dirent *entry)
{
	return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int walk_directory(struct walker *w, int fd, unsigned depth, struct carrel_error *err);

static int walk_entry(struct walker *w, int dirfd, const char *name, unsigned depth, struct carrel_error *err)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(w, "look at", err);
	int r = visit(w, dirfd, name, &st, err);
	if (r < 0 || !S_ISDIR(st.st_mode))
		return r;
	_cleanup_close_ int fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? fail(w, "open", err) : walk_directory(w, fd, depth + 1, err);
}

static int walk_directory(struct walker *w, int fd, unsigned depth, struct carrel_error *err)
{
	size_t length = strlen(w->path);
	struct dirent **entries = NULL;
	int r = progress_check(w->walk->progress, err);

	if (r < 0)
		return r;
	if (depth > DEPTH_MAX)
		return error_set(err, ENAMETOOLONG, "'/%s' of the image is too deep", w->path);
	int n = scandirat(fd, ".", &entries, is_entry, by_bytes);
	if (n < 0)
		return fail(w, "read", err);
	for (int i = 0; i < n; i++) {
		if (r == 0 && text_format(w->path + length, sizeof(w->path) - length, "%s%s",
					  length ? "/" : "", entries[i]->d_name) < 0)
			r = error_set(err, ENAMETOOLONG, "a path in the image is too long");
		if (r == 0)
			r = walk_entry(w, fd, entries[i]->d_name, depth, err);
		w->path[length] = '\0';
		free(entries[i]);
	}
	free(entries);
	return r;
}

static int walk_from_root(struct walker *w, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = openat(w->walk->rootfs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "cannot open the image");
	int r = visit(w, fd, ".", &st, err);
	return r < 0 ? r : walk_directory(w, fd, 0, err);
}

int tree_walk(const struct tree_walk *walk, struct carrel_error *err)
{
	struct walker *w = calloc(1, sizeof(*w));
	int r = error_set(err, ENOMEM, "out of memory");

	if (!w)
		return r;
	w->walk = walk;
	w->digest = digest_new(256);
	if (w->digest)
		r = walk_from_root(w, err);
	digest_free(w->digest);
	free(w);
	return r;
}

const char *tree_record_path(const char *record)
{
	for (int i = 0; i < FIELD_COUNT && record; i++) {
		record = strchr(record, ' ');
		record = record ? record + 1 : NULL;
	}
	return record;
}

/* The end comes before a slash, and a slash before all that may be in a name. */
static unsigned rank(char c)
{
	return c == '/' ? 1 : c ? (unsigned char)c + 1U : 0;
}

int tree_compare_paths(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank(*a) < rank(*b) ? -1 : rank(*a) > rank(*b);
}

struct list {
	FILE *out;
	struct digest *digest;
};

static int append(void *arg, const char *record, struct carrel_error *err)
{
	struct list *list = arg;
	size_t size = strlen(record) + 1;

	digest_add(list->digest, record, size);
	return fwrite(record, 1, size, list->out) == size
		       ? 0
		       : error_errno(err, "cannot write the list of files");
}

int tree_write(const struct tree_walk *walk, int image_fd, char hex[DIGEST_HEX_MAX], struct carrel_error *err)
{
	_cleanup_digest_ struct digest *digest = digest_new(256);
	_cleanup_close_ int fd = openat(image_fd, TREE_FILES, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	_cleanup_file_ FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	struct list list = { .out = out, .digest = digest };
	struct tree_walk writing = *walk;

	if (!out || !digest)
		return error_errno(err, "cannot make the list of files");
	(void)steal_fd(&fd);
	writing.each = append;
	writing.arg = &list;
	int r = tree_walk(&writing, err);
	if (r == 0 && fflush(out) != 0)
		r = error_errno(err, "cannot write the list of files");
	return r < 0 ? r : digest_finish(digest, hex);
}
