/*
 * image_reader.c - see image_reader.h.
 *
 * What an image may hold: directories, regular files, symlinks, hard links, FIFOs; owners 0..65535; user.*
 * attributes. Left out: device nodes and sockets (the sandbox has its own /dev). Anything that does not fit in this
 * is refused, not mended.
 */
#include "image_reader.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/image.h"
#include "room.h"

#define TAR_BLOCK  512
#define LOOK_BYTES (UINT64_C(4) << 20)

/* The file as libarchive reads it, hashed on the way. */
static la_ssize_t read_source(struct archive *in, void *arg, const void **data)
{
	struct reader *reader = arg;
	ssize_t n;

	do
		n = read(reader->fd, reader->buffer, sizeof(reader->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(in, errno, "cannot read the file");
	else if (reader->digest)
		digest_add(reader->digest, reader->buffer, (size_t)n);
	*data = reader->buffer;
	return n;
}

int reader_refuse(struct reader *reader, int code, const char *why)
{
	struct extract_report *report = reader->report;

	report->code = code > 0 ? code : EINVAL;
	if (reader->path[0])
		(void)snprintf(report->message, sizeof(report->message), "'%.200s': %s", reader->path, why);
	else
		(void)snprintf(report->message, sizeof(report->message), "%s", why);
	return -report->code;
}

/* As libarchive says it, on one line, with the system's reason where there is one. */
int reader_refuse_archive(struct reader *reader, struct archive *which)
{
	const char *text = archive_error_string(which);
	int code = archive_errno(which);
	/* EINVAL and EILSEQ are its own, for archives that are not right. */
	bool of_system = code > 0 && code != EINVAL && code != EILSEQ;
	char line[256];

	(void)snprintf(line, sizeof(line), "%s%s%s", text ? text : "damaged", of_system ? ": " : "",
		       of_system ? strerror(code) : "");
	line[strcspn(line, "\n")] = '\0';
	return reader_refuse(reader, code, line);
}

/*
 * tar, plain or compressed once by something that libarchive has built in: what it has not, it would start a
 * program for.
 */
static int open_source(struct reader *reader)
{
	if (archive_read_support_format_tar(reader->in) != ARCHIVE_OK)
		return reader_refuse_archive(reader, reader->in);
	if (archive_zlib_version())
		archive_read_support_filter_gzip(reader->in);
	if (archive_liblzma_version())
		archive_read_support_filter_xz(reader->in);
	if (archive_bzlib_version())
		archive_read_support_filter_bzip2(reader->in);
	if (archive_libzstd_version())
		archive_read_support_filter_zstd(reader->in);
	if (archive_read_open(reader->in, reader, NULL, read_source, NULL) != ARCHIVE_OK)
		return reader_refuse(reader, archive_errno(reader->in),
				     "not a tar archive (plain, gzip, xz, zstd or bzip2)");
	if (archive_filter_count(reader->in) > 2)
		return reader_refuse(reader, EINVAL, "it is compressed more than once");
	return 0;
}

static int check_path(struct reader *reader, const char *path, char *clean, const char *what)
{
	int r = path ? image_entry_path(path, clean, READER_PATH_MAX) : -EILSEQ;

	if (r == 0)
		return 0;
	(void)snprintf(reader->path, sizeof(reader->path), "%s", path ? path : "");
	if (r == -EILSEQ)
		return reader_refuse(reader, EILSEQ, "an entry has a name that cannot be read");
	return reader_refuse(reader, -r, r == -EXDEV ? what : "the path is too long or too deep");
}

static int check_owner(struct reader *reader, struct archive_entry *entry)
{
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (uid < 0 || uid > EXTRACT_ID_MAX || gid < 0 || gid > EXTRACT_ID_MAX)
		return reader_refuse(reader, ERANGE,
				     "its owner or group is above 65535, which a sandbox does not have");
	return 0;
}

static int check_size(struct reader *reader, struct archive_entry *entry)
{
	la_int64_t size = archive_entry_size(entry);

	if (size < 0 || (uint64_t)size > EXTRACT_BYTES_MAX)
		return reader_refuse(reader, EFBIG, "it is larger than 64 GiB");
	/* Holes count: whoever reads the image, reads them. */
	reader->report->size += (uint64_t)size;
	if (reader->report->size > EXTRACT_BYTES_MAX)
		return reader_refuse(reader, EFBIG, "the image is larger than 64 GiB");
	return 0;
}

/* 1: to be written. 0: to be left out. -errno: the archive is refused. */
static int check_entry(struct reader *reader, struct archive_entry *entry)
{
	char target[READER_PATH_MAX];

	reader->path[0] = '\0';
	if (++reader->report->entries > EXTRACT_ENTRIES_MAX)
		return reader_refuse(reader, E2BIG, "it has more than 4 million entries");
	int r = check_path(reader, archive_entry_pathname(entry), reader->path,
			   "the path leads out of the image");
	if (r < 0 || !reader->path[0])
		return r; /* the root's own entry: its owner and mode are ours to set */
	archive_entry_set_pathname(entry, reader->path);
	r = check_owner(reader, entry);
	if (r == 0)
		r = check_size(reader, entry);
	if (r < 0)
		return r;
	if (archive_entry_hardlink(entry)) {
		r = check_path(reader, archive_entry_hardlink(entry), target,
			       "a hard link leads out of the image");
		archive_entry_set_hardlink(entry, target);
		return r < 0 ? r : 1;
	}
	switch (archive_entry_filetype(entry)) {
	case AE_IFLNK:
		return archive_entry_symlink(entry)
			       ? 1
			       : reader_refuse(reader, EILSEQ, "its target cannot be read");
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFIFO:
		return 1;
	case AE_IFBLK:
	case AE_IFCHR:
	case AE_IFSOCK:
		reader->report->skipped++;
		return 0;
	default:
		return reader_refuse(reader, EINVAL, "it is of an unknown kind");
	}
}

int reader_take_room(struct reader *reader, uint64_t bytes)
{
	struct carrel_error err = { 0 };

	if (bytes > reader->room) {
		int r = room_look(reader->rootfs_fd, bytes, &reader->room, &err);
		if (r < 0)
			return reader_refuse(reader, -r, err.msg);
		if (reader->room > LOOK_BYTES + bytes)
			reader->room = LOOK_BYTES + bytes;
	}
	reader->room -= bytes;
	return 0;
}

int reader_open(struct reader *reader, int fd, struct digest *digest, struct extract_report *report)
{
	reader->fd = fd;
	reader->digest = digest;
	reader->report = report;
	reader->path[0] = '\0';
	if (lseek(fd, 0, SEEK_SET) < 0)
		return reader_refuse(reader, errno, "cannot read the file from its start");
	reader->in = archive_read_new();
	return reader->in ? open_source(reader) : reader_refuse(reader, ENOMEM, "out of memory");
}

void reader_close(struct reader *reader)
{
	archive_read_free(reader->in);
	reader->in = NULL;
}

int reader_next(struct reader *reader, struct archive_entry **entry)
{
	for (;;) {
		int r = archive_read_next_header(reader->in, entry);
		if (r == ARCHIVE_EOF)
			return 0;
		/* Not even "retry": that is how libarchive steps over a damaged header. */
		if (r != ARCHIVE_OK) {
			reader->path[0] = '\0';
			return reader_refuse_archive(reader, reader->in);
		}
		r = check_entry(reader, *entry);
		if (r)
			return r;
	}
}

/*
 * An archive ends with blocks of zeros. One that ends without them was cut off between two entries, which nothing
 * else would notice: the reader has come to the end of the data where it looked for the next header.
 */
static int check_end(struct reader *reader)
{
	if (archive_filter_bytes(reader->in, 0) < archive_read_header_position(reader->in) + TAR_BLOCK)
		return reader_refuse(reader, EINVAL, "the archive has no end: it was cut off");
	return 0;
}

int reader_finish(struct reader *reader, bool must_end)
{
	const void *data;
	la_ssize_t n;

	reader->path[0] = '\0';
	int r = must_end ? check_end(reader) : 0;
	if (r < 0 || !reader->digest)
		return r;
	/* What follows the end belongs to the digest too. */
	while ((n = read_source(reader->in, reader, &data)) > 0)
		;
	if (n < 0)
		return reader_refuse_archive(reader, reader->in);
	if (digest_finish(reader->digest, reader->report->sha512) < 0)
		return reader_refuse(reader, EIO, "cannot finish the SHA-512 digest");
	return 0;
}
