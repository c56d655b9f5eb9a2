/*
 * fs.h - the only path code: opening, reading, writing and removing with a hostile tree in mind.
 */
#ifndef CARREL_FS_H
#define CARREL_FS_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

/*
 * openat2 with O_CLOEXEC added. `resolve` is the RESOLVE_* set of openat2(2). Below a directory that a user
 * can write, always RESOLVE_IN_ROOT, or RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS. A descriptor or -errno.
 */
int fs_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);

/*
 * Open an absolute path (O_PATH) as root means it: every directory that leads to it, and every link on the way, belongs to root, and
 * only root can write those directories, so nobody else decides where it ends. What it names may be anybody's. `real` is then
 * the path without links. -EPERM with a message that names what is not root's; -ENOENT, -ENOTDIR; or another -errno.
 */
#define FS_PATH_MAX 1024
int fs_open_trusted(const char *path, char real[FS_PATH_MAX], struct carrel_error *err);

/*
 * Open the entry `name` (one component) of a directory that a user can write as what it is: follows no link, enters no mount (-EXDEV),
 * waits for no FIFO. `flags` of open(2). A descriptor or -errno.
 */
int fs_open_child(int dirfd, const char *name, uint64_t flags);

/*
 * Whether there is an entry `name`, whatever it is. 1, 0 or -errno with a message: what cannot be looked for may well be there.
 */
int fs_exists(int dirfd, const char *name, struct carrel_error *err);

/* A directory that one came down through, to know it again on the way up. */
struct fs_place {
	dev_t dev;
	ino_t ino;
};

/* From the directory *fd to the one that it is in, which must be `above`, or -ESTALE: somebody moved it, and what is above is not ours to touch. */
int fs_go_up(int *fd, const struct fs_place *above);

/* What is in a directory, which may be O_PATH and is left as it is. NULL, with errno. */
DIR *fs_opendir(int dirfd);

/* The path that reaches what `fd` is open on, also with O_PATH, also a symbolic link: for calls without an f… that takes O_PATH. Returns it. */
#define FS_MAGIC_MAX 32
const char *fs_magic_path(char path[FS_MAGIC_MAX], int fd);

/* Whether `name` is one component of a path: no slash, not empty, "." or "..". */
bool fs_is_component(const char *name);

/*
 * Make sure `path` (absolute, every parent trusted) is a directory of root's with exactly `mode`, making it if
 * missing, and open it O_PATH | O_DIRECTORY | O_NOFOLLOW. A wrong owner or a mode writable by others is
 * -EPERM with a message. Returns the descriptor or -errno.
 */
int fs_ensure_dir(const char *path, mode_t mode, struct carrel_error *err);

/* The same relative to dirfd: `name` is one component. */
int fs_ensure_dir_at(int dirfd, const char *name, mode_t mode, uid_t uid, gid_t gid,
		     struct carrel_error *err);

/*
 * Read a whole small file into buf (at most size-1 bytes, NUL added). The file must be regular: a FIFO
 * never blocks. Larger is -EFBIG. Returns the length or -errno. No trailing newline is removed. A symlink
 * as the last component is -ELOOP.
 */
ssize_t fs_read_at(int dirfd, const char *path, char *buf, size_t size);

/* Read until `size` bytes are there or the file ends. How many, or -errno. */
ssize_t fs_read_full(int fd, void *buf, size_t size);

/* As fs_read_at, of a file opened by the caller (O_NONBLOCK), from its current position. */
ssize_t fs_read_fd(int fd, char *buf, size_t size);

/* Write `data` to an existing kernel file (proc, sysfs, cgroup) in one write. 0 or -errno. */
int fs_write_at(int dirfd, const char *path, const char *data);

/* Replace dirfd/name by a file with this content: temporary file, fsync, rename. 0 or -errno. */
int fs_replace_at(int dirfd, const char *name, const char *data, size_t size, mode_t mode);

/*
 * Remove dirfd/name (one component) with all below it. Follows no link, crosses no mount; a missing name is success.
 * 0 or the first -errno, having gone on.
 */
int fs_remove_tree(int dirfd, const char *name);

/* Take an exclusive lock on an open file, waiting at most timeout_ms. 0, -ETIMEDOUT, -errno. */
int fs_lock(int fd, int timeout_ms);

/* Milliseconds of CLOCK_MONOTONIC, for deadlines. */
int64_t fs_now_ms(void);

#endif
