/* sparse.c - see sparse.h. Run by `carrelctl rootfs export`, as root. */
#include "sparse.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (128 * 1024)

static bool has_holes(int fd, int64_t size)
{
	struct stat st;

	return fstat(fd, &st) == 0 && (int64_t)st.st_blocks * 512 < size;
}

int sparse_describe(int fd, struct archive_entry *entry, struct carrel_error *err)
{
	int64_t size = archive_entry_size(entry), at = 0, hole;
	bool data = false;

	if (!has_holes(fd, size))
		return 0;
	for (int parts = 1; at < size; parts++, at = hole) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 && errno == EINVAL && parts == 1)
			return 0; /* not told here */
		if (at < 0 && errno != ENXIO)
			return error_errno(err, "cannot look for the holes in a file");
		if (at < 0 || at >= size)
			break;
		hole = parts == SPARSE_PARTS_MAX ? size : lseek(fd, at, SEEK_HOLE);
		if (hole < 0 || hole > size)
			hole = size;
		archive_entry_sparse_add_entry(entry, at, hole - at);
		data = true;
	}
	/* Nothing but a hole: an empty part at the end says that it is one. */
	if (!data)
		archive_entry_sparse_add_entry(entry, size, 0);
	return 0;
}

/* Bytes from `at` up to `end`: what is no data is not read, and the archive leaves it out. */
static int write_part(struct archive *archive, int fd, int64_t at, int64_t end, bool data,
		      struct progress *progress, struct carrel_error *err)
{
	char chunk[CHUNK];

	memset(chunk, 0, data ? 0 : sizeof(chunk));
	while (at < end) {
		size_t want = end - at > CHUNK ? CHUNK : (size_t)(end - at);
		ssize_t n = data ? pread(fd, chunk, want, at) : (ssize_t)want;
		if (n < 0 && errno != EINTR)
			return error_errno(err, "cannot read a file");
		if (progress_check(progress, err) < 0)
			return -EINTR;
		if (n < 0)
			continue;
		if (n == 0) {
			memset(chunk, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(archive, chunk, (size_t)n) < 0) {
			int code = archive_errno(archive);
			return error_set(err, code > 0 ? code : EIO, "cannot write the archive: %s",
					 archive_error_string(archive));
		}
		at += n;
	}
	return 0;
}

int sparse_write(struct archive *archive, struct archive_entry *entry, int fd, struct progress *progress,
		 struct carrel_error *err)
{
	int64_t size = archive_entry_size(entry), at = 0, offset, length;
	bool sparse = archive_entry_sparse_reset(entry) > 0;
	int r = 0;

	while (r == 0 && sparse && archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK) {
		r = write_part(archive, fd, at, offset, false, progress, err);
		if (r == 0)
			r = write_part(archive, fd, offset, offset + length, true, progress, err);
		at = offset + length;
	}
	return r < 0 ? r : write_part(archive, fd, at, size, !sparse, progress, err);
}
