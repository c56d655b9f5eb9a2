/*
 * image_extract.h - unpacking an archive that nobody vouches for, in a child process that can hurt nothing.
 */
#ifndef CARREL_CTL_IMAGE_EXTRACT_H
#define CARREL_CTL_IMAGE_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/error.h"
#include "digest.h"

#define EXTRACT_ENTRIES_MAX UINT64_C(4000000)
#define EXTRACT_BYTES_MAX   (UINT64_C(64) << 30)
#define EXTRACT_ID_MAX	    65535 /* the sandbox has ids 0..65535 */

/* What the child says at its end, in one write. The numbers go on from those it was started with. */
struct extract_report {
	int code; /* 0, or an errno and the message below */
	uint64_t bytes, entries;
	uint64_t size;		     /* of all files, holes included */
	uint64_t skipped;	     /* device nodes and sockets */
	uint64_t stripped;	     /* attributes */
	char sha512[DIGEST_HEX_MAX]; /* of the whole file */
	char message[CARREL_ERROR_MAX];
};

struct extract {
	pid_t pid;
	int report_fd; /* readable when there is a report, or the child has died */
};

/*
 * Start the child on an archive (a regular file, read from its start) and a directory. As a `layer` of an image,
 * the archive may also take away what the directory has (image_layer.c); else that is empty. How far it is
 * can be seen from the archive's file offset, which both share. `before` is the report of the layer below, or zeros.
 */
int extract_start(struct extract *extract, int archive_fd, int rootfs_fd, bool layer,
		  const struct extract_report *before, struct carrel_error *err);

/* The child's report, when report_fd is readable. Waits for the child. 0 or -errno. */
int extract_finish(struct extract *extract, struct extract_report *report, struct carrel_error *err);

/* Kill the child and wait for it. */
void extract_abort(struct extract *extract);

/*
 * image_archive.c, in the child: all of it. Fills `report`. Everything it opens, it opens below "/", which is also
 * open as `rootfs_fd`. The digest (and with it OpenSSL's own files) is started before the child is confined.
 */
void extract_archive(int archive_fd, int rootfs_fd, bool layer, struct digest *digest,
		     struct extract_report *report);

#endif
