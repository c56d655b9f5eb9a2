/* image.c - see image.h. Run by the keeper and carrelctl, as root. */
#include "image.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cleanup.h"
#include "fs.h"
#include "keyed.h"
#include "paths.h"
#include "text.h"

#define RETRY_NS 1000000L

#define FIELD(member, kind) KEYED_FIELD(struct image_manifest, member, kind)

static const struct keyed_field manifest_fields[] = {
	FIELD(name, KEYED_STRING),
	FIELD(source, KEYED_STRING),
	KEYED_OPTIONAL(struct image_manifest, digest, KEYED_STRING),
	FIELD(os, KEYED_STRING),
	FIELD(imported, KEYED_NUMBER),
	FIELD(bytes, KEYED_NUMBER),
	FIELD(entries, KEYED_NUMBER),
	FIELD(sftp, KEYED_STRING),
	KEYED_OPTIONAL(struct image_manifest, tree, KEYED_STRING),
	KEYED_OPTIONAL(struct image_manifest, sha512, KEYED_STRING),
};

/* Step into one directory on the way. Whoever could write to it could put another image there. */
static int enter(int *dirfd, const char *name, const char *path, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = openat(*dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(err, "cannot open '%s'", path);
	if (st.st_uid != 0 || (st.st_mode & 022))
		return error_set(err, EPERM, "'%s' must belong to root and be writable by nobody else", path);
	close_fd(dirfd);
	*dirfd = steal_fd(&fd);
	return 0;
}

/* The directory of an image. */
static int open_dir(const char *name, struct carrel_error *err)
{
	_cleanup_close_ int dirfd = -EBADF;
	char path[sizeof(CARREL_IMAGES) + IMAGE_NAME_MAX + 1];

	if (!image_name_valid(name))
		return error_set(err, EINVAL, "not a name for an image");
	int r = text_format(path, sizeof(path), CARREL_IMAGES "/%s", name);
	if (r == 0)
		r = enter(&dirfd, CARREL_STATE_DIR, CARREL_STATE_DIR, err);
	if (r == 0)
		r = enter(&dirfd, CARREL_IMAGES + sizeof(CARREL_STATE_DIR), CARREL_IMAGES, err);
	if (r == 0)
		r = enter(&dirfd, name, path, err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "image '%s' is not imported", name);
	return r < 0 ? r : steal_fd(&dirfd);
}

int image_open_dir(const char *name, struct carrel_error *err)
{
	_cleanup_close_ int path = open_dir(name, err);

	if (path < 0)
		return path;
	int fd = openat(path, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? error_errno(err, "cannot open image '%s'", name) : fd;
}

/* Whether the image's directory is the one that is open: it may have been removed, and the name taken again. */
static bool is_named(int fd, const char *name)
{
	_cleanup_close_ int named = open_dir(name, NULL);
	struct stat a, b;

	return named >= 0 && fstat(fd, &a) == 0 && fstat(named, &b) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

int image_lock(const char *name, int how, int timeout_ms, struct carrel_error *err)
{
	const struct timespec pause = { .tv_nsec = RETRY_NS };
	int64_t deadline = fs_now_ms() + timeout_ms;

	/* By its name each time: who has it locked may be removing it, and then there is nothing to wait for. */
	for (;;) {
		_cleanup_close_ int fd = image_open_dir(name, err);
		if (fd < 0)
			return fd;
		bool locked = flock(fd, how | LOCK_NB) == 0;
		if (locked && is_named(fd, name))
			return steal_fd(&fd);
		if (!locked && errno != EWOULDBLOCK && errno != EINTR)
			return error_errno(err, "cannot lock image '%s'", name);
		if (fs_now_ms() >= deadline)
			return error_set(err, EBUSY,
					 how == LOCK_EX ? "image '%s' is in use by a login that is not open "
							  "yet, or by another carrelctl"
							: "image '%s' is being removed",
					 name);
		(void)nanosleep(&pause, NULL);
	}
}

int image_open(const char *name, struct carrel_error *err)
{
	_cleanup_close_ int dirfd = open_dir(name, err);

	if (dirfd < 0)
		return dirfd;
	int r = enter(&dirfd, "rootfs", "rootfs", err);
	if (r == -ENOENT)
		return error_set(err, ENOENT, "image '%s' is not imported", name);
	if (r < 0)
		return error_context(err, "image '%s'", name);
	return steal_fd(&dirfd);
}

int image_read_manifest(const char *name, struct image_manifest *manifest, struct carrel_error *err)
{
	char text[KEYED_MAX];
	_cleanup_close_ int dirfd = open_dir(name, err);

	if (dirfd < 0)
		return dirfd;
	ssize_t n = fs_read_at(dirfd, "manifest", text, sizeof(text));
	if (n < 0)
		return error_set(err, (int)-n, "cannot read the manifest of image '%s': %s", name,
				 strerror((int)-n));
	memset(manifest, 0, sizeof(*manifest));
	int r = strlen(text) == (size_t)n
			? keyed_parse(text, manifest_fields, ARRAY_SIZE(manifest_fields), manifest, err)
			: error_set(err, EBADMSG, "there is a NUL in it");
	if (r == 0 && strcmp(manifest->name, name) != 0)
		r = error_set(err, EBADMSG, "it is of another image");
	if (r < 0)
		return error_context(err, "the manifest of image '%s' is damaged", name);
	if (!manifest->digest[0] && manifest->sha512[0])
		(void)text_format(manifest->digest, sizeof(manifest->digest), "sha512:%s", manifest->sha512);
	return 0;
}

int image_write_manifest(int dirfd, const struct image_manifest *manifest, struct carrel_error *err)
{
	char text[KEYED_MAX];
	ssize_t size = keyed_format(text, sizeof(text), manifest_fields, ARRAY_SIZE(manifest_fields),
				    manifest);
	int r = size < 0 ? (int)size : fs_replace_at(dirfd, "manifest", text, (size_t)size, 0644);

	return r < 0 ? error_set(err, -r, "cannot write the manifest: %s", strerror(-r)) : 0;
}
