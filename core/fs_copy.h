/*
 * fs_copy.h - copy whole directory trees that their user may have made as deep, wide or odd as they could.
 *
 * Everything that fs_walk.h says of a walk holds, and: what is opened is what was looked at (-ESTALE), devices and pipes never are;
 * nothing is written over (-EEXIST), and the copy goes back up as warily as the walk; a directory gets its owner, mode and attributes when
 * everything is in it, so no default ACL or set-group-ID bit reaches what is made there. The files read do not get another time of access.
 *
 * Copied are content, shared where the filesystem can, with its holes; owners, modes, times, extended attributes, links, device nodes, pipes and
 * sockets; and which names are one file's, also across trees that are copied between one begin and end.
 */
#ifndef CARREL_FS_COPY_H
#define CARREL_FS_COPY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "error.h"

struct fs_copy {
	bool (*keep_xattr)(const char *name); /* NULL: all are copied. May differ from tree to tree */
	int64_t deadline;		      /* of fs_now_ms; 0: none */
	uint64_t entries,
		bytes; /* out: how many were copied, without the top directories, and the sizes of files */

	int dirfd, links_fd; /* of fs_copy_begin */
};

/* Begin, with a directory "links" in dirfd (borrowed), on the filesystem of the copies: files with several names are there until the end. */
int fs_copy_begin(struct fs_copy *copy, int dirfd, struct carrel_error *err);

/*
 * Copy the directory from_fd/name (one component) with all below it to to_fd/name, which must not exist. On any filesystem. 0, or -errno
 * with the name of what could not be copied; what was copied until then stays. -E2BIG: a file has more than 64 KiB of names of extended
 * attributes (xfs lets it), which nobody can list.
 */
int fs_copy_tree(int from_fd, const char *name, int to_fd, struct fs_copy *copy, struct carrel_error *err);

/*
 * Close what fs_copy_begin has opened; to be called once after it succeeded. `result` is how the copying went: after a success "links" is
 * removed, after an error it stays, since the caller then removes dirfd with all that is in it. Returns `result`, or -errno.
 */
int fs_copy_end(struct fs_copy *copy, int result, struct carrel_error *err);

/* Make to/as like the link, device, pipe or socket from/name that a visitor was told of, with all its attributes. 0 or -errno. */
int fs_copy_special(int from, const char *name, const struct stat *st, int to, const char *as);

#endif
