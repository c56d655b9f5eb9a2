/*
 * image_reader.h - reading a tar archive with libarchive, entry by entry, each checked. In the confined child.
 */
#ifndef CARREL_CTL_IMAGE_READER_H
#define CARREL_CTL_IMAGE_READER_H

#include <archive.h>
#include <archive_entry.h>

#include "image_extract.h"

#define READER_BUFFER	(128 * 1024)
#define READER_PATH_MAX 4096

struct reader {
	struct archive *in;
	struct extract_report *report; /* counted in, and where a refusal goes */
	struct digest *digest;	       /* of the file as it is, or NULL */
	char path[READER_PATH_MAX];    /* of the entry at hand, below "/" */
	int fd;
	int rootfs_fd; /* what is written to */
	uint64_t room; /* bytes that may be written to it before the disk is looked at again */
	char buffer[READER_BUFFER];
};

/* Start at the beginning of the file. 0, or -errno with the report filled. */
int reader_open(struct reader *reader, int fd, struct digest *digest, struct extract_report *report);
void reader_close(struct reader *reader);

/*
 * The next entry that an image may have, its names made clean and reader->path set; what is left out is counted
 * and passed over. 1, 0 after the last, or -errno.
 */
int reader_next(struct reader *reader, struct archive_entry **entry);

/*
 * After the last: it was the last, and with `must_end` not where the file was cut off; with a digest, that is finished. A layer needs no
 * end: what has read its digest knows that it is whole, and not all tools write one.
 */
int reader_finish(struct reader *reader, bool must_end);

/*
 * Before `bytes` are written: is there room (room.h)? 0, or -errno with the archive refused. The disk, which others may write to as
 * well, is looked at every few MiB.
 */
int reader_take_room(struct reader *reader, uint64_t bytes);

/* Refuse the archive: `why`, after the entry's name, when reader->path has one. Returns -errno. */
int reader_refuse(struct reader *reader, int code, const char *why);

/* Refuse it for what libarchive says of `which`. */
int reader_refuse_archive(struct reader *reader, struct archive *which);

/* image_layer.c: take away from "/" what the layer at hand replaces or takes away. Reads it to its end. */
int layer_clear(struct reader *reader);

/*
 * image_follow.c: replace the path of a layer's entry, and that of the file it is a hard link to, by one that leads to the same
 * place of the image without going through links. 0, or -errno with the archive refused.
 */
int layer_follow_links(struct reader *reader, struct archive_entry *entry);

/* Whether the entry is not a file of the layer, but says that one is taken away. */
bool layer_is_whiteout(const char *path);

#endif
