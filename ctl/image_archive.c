/*
 * image_archive.c - writing out what image_reader.c reads, with libarchive: extract_archive of image_extract.h.
 * Runs in the confined child, whose "/" is the image's root.
 *
 * ACLs and all attributes but user.* are left out, among them file capabilities: on disk the image is root's on
 * the host, where the bits would count as the host's.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image_reader.h"
#include "room.h"

/* Owners by number: a lookup by name would ask NSS, inside the image. */
#define WRITE_OPTIONS                                                                                  \
	(ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR | \
	 ARCHIVE_EXTRACT_SECURE_SYMLINKS | ARCHIVE_EXTRACT_SECURE_NODOTDOT |                           \
	 ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS)

/* Keep user.* attributes, but for those that overlayfs would take for its own. */
static void strip_attributes(struct reader *reader, struct archive_entry *entry)
{
	struct archive_entry *kept = archive_entry_new();
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (kept && strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0)
			archive_entry_xattr_add_entry(kept, name, value, size);
		else
			reader->report->stripped++;
	}
	archive_entry_xattr_clear(entry);
	archive_entry_xattr_reset(kept);
	while (archive_entry_xattr_next(kept, &name, &value, &size) == ARCHIVE_OK)
		archive_entry_xattr_add_entry(entry, name, value, size);
	archive_entry_free(kept);
	archive_entry_acl_clear(entry);
	archive_entry_set_fflags(entry, 0, 0);
}

static int copy_data(struct reader *reader, struct archive *out)
{
	const void *data;
	size_t size;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(reader->in, &data, &size, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > EXTRACT_BYTES_MAX)
			return reader_refuse(reader, EFBIG, "it is larger than 64 GiB");
		reader->report->bytes += size;
		if (reader->report->bytes > EXTRACT_BYTES_MAX)
			return reader_refuse(reader, EFBIG, "the image is larger than 64 GiB");
		int taken = reader_take_room(reader, size);
		if (taken < 0)
			return taken;
		if (archive_write_data_block(out, data, size, offset) < ARCHIVE_OK)
			return reader_refuse_archive(reader, out);
	}
	return r == ARCHIVE_EOF ? 0 : reader_refuse_archive(reader, reader->in);
}

static int write_entry(struct reader *reader, struct archive *out, struct archive_entry *entry)
{
	int r = reader_take_room(reader, ROOM_OF_FILE);
	if (r < 0)
		return r;
	strip_attributes(reader, entry);
	/* A warning means that something was not done as the archive says: not good enough for an image. */
	if (archive_write_header(out, entry) != ARCHIVE_OK)
		return reader_refuse_archive(reader, out);
	r = archive_entry_size(entry) > 0 ? copy_data(reader, out) : 0;
	if (r == 0 && archive_write_finish_entry(out) != ARCHIVE_OK)
		r = reader_refuse_archive(reader, out);
	return r;
}

/* Times and modes of directories are set when the writer is closed. */
static int finish_output(struct reader *reader, struct archive *out)
{
	reader->path[0] = '\0';
	if (archive_write_close(out) != ARCHIVE_OK)
		return reader_refuse_archive(reader, out);
	if (chown("/", 0, 0) < 0 || chmod("/", 0755) < 0)
		return reader_refuse(reader, errno, "cannot set the mode of the image's root");
	return 0;
}

static int write_entries(struct reader *reader, bool layer)
{
	struct archive *out = archive_write_disk_new();
	struct archive_entry *entry;
	int r;

	if (!out || archive_write_disk_set_options(out, WRITE_OPTIONS) != ARCHIVE_OK) {
		archive_write_free(out);
		return reader_refuse(reader, ENOMEM, "out of memory");
	}
	while ((r = reader_next(reader, &entry)) > 0) {
		if (layer && layer_is_whiteout(reader->path))
			continue;
		r = layer ? layer_follow_links(reader, entry) : 0;
		if (r == 0)
			r = write_entry(reader, out, entry);
		if (r < 0)
			break;
	}
	if (r == 0)
		r = finish_output(reader, out);
	archive_write_free(out);
	return r;
}

/* What a layer takes away, it takes from those below it, wherever in the archive it says so: first of all. */
static int clear_below(struct reader *reader, int archive_fd, struct extract_report *report)
{
	struct extract_report counted = *report; /* the second reading counts */
	int r = reader_open(reader, archive_fd, NULL, &counted);

	if (r == 0)
		r = layer_clear(reader);
	reader_close(reader);
	if (r < 0) {
		report->code = counted.code;
		memcpy(report->message, counted.message, sizeof(report->message));
	}
	return r;
}

void extract_archive(int archive_fd, int rootfs_fd, bool layer, struct digest *digest,
		     struct extract_report *report)
{
	static struct reader reader; /* the child runs this once; too large for its stack */

	reader.rootfs_fd = rootfs_fd;
	int r = layer ? clear_below(&reader, archive_fd, report) : 0;

	if (r == 0)
		r = reader_open(&reader, archive_fd, digest, report);
	if (r == 0)
		r = write_entries(&reader, layer);
	if (r == 0)
		(void)reader_finish(&reader, !layer);
	reader_close(&reader);
}
