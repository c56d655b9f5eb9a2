/*
 * sparse.h - files with holes into an archive, without the holes: a file of a user's may claim to be larger than any disk.
 */
#ifndef CARREL_CTL_SPARSE_H
#define CARREL_CTL_SPARSE_H

#include <archive.h>
#include <archive_entry.h>

#include "core/error.h"
#include "progress.h"

/*
 * Tell `entry`, whose size is set, where the regular file `fd` has data (lseek(2), SEEK_DATA). At most SPARSE_PARTS_MAX parts,
 * the last of which then reaches to the end. A file without holes, or on a filesystem that does not tell, is left as it
 * is. 0 or -errno.
 */
int sparse_describe(int fd, struct archive_entry *entry, struct carrel_error *err);

#define SPARSE_PARTS_MAX 65536

/*
 * Write the content of `fd` after the header of `entry` was. The header has said how much there is and where: a file that changes
 * meanwhile is cut, or filled up with zeros. -EINTR: a signal of `progress`. 0 or -errno.
 */
int sparse_write(struct archive *archive, struct archive_entry *entry, int fd, struct progress *progress,
		 struct carrel_error *err);

#endif
