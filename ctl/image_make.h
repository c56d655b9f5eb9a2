/*
 * image_make.h - making a base image, whole or not at all, whatever it is made from.
 *
 *	stage     an empty directory, locked, out of sight
 *	fill      from an archive, the layers of an OCI image, this host's busybox: the caller's part
 *	inspect   is there a shell, what does it call itself
 *	bundle    the host's sftp-server and scp, where it has none
 *	list      every file with its digest
 *	commit    manifest, to disk, renamed to its name
 *
 * Until the last step there is nothing but the staging directory, which goes again on any failure or signal; one
 * that is left by SIGKILL goes with the next import or `carrelctl gc`.
 */
#ifndef CARREL_CTL_IMAGE_MAKE_H
#define CARREL_CTL_IMAGE_MAKE_H

#include <stdbool.h>

#include "core/image.h"
#include "image_extract.h"
#include "image_staging.h"
#include "progress.h"

struct image_make {
	const char *name;
	const char *from; /* what the administrator named, for messages */
	bool want_sftp;
	const char *sha512; /* that the archive must have, as digest.h prints it, or NULL */
	/* Put what there is into staging.rootfs_fd, and fill source, digest and report. 0 or -errno. */
	int (*fill)(struct image_make *make, struct carrel_error *err);
	void *arg; /* for `fill` */

	struct progress progress;
	struct staging staging;
	struct extract_report report;
	struct image_manifest manifest;
};

/* All of it, with every report to people. Returns the exit status. */
int image_make(struct image_make *make);

/* For `fill`: unpack an open archive, in the confined child, with progress. */
int image_make_unpack(struct image_make *make, int archive_fd, bool layer, struct carrel_error *err);

/* For `fill`: unpack an archive that is all of the image; its digest is the image's, and must be make->sha512 if there is one. */
int image_make_from_archive(struct image_make *make, int archive_fd, struct carrel_error *err);

/* image_oci.c: a `fill` for image_make.from = "oci:DIR[:TAG]" or "docker-archive:FILE[:REF]". */
int image_fill_oci(struct image_make *make, struct carrel_error *err);
bool image_is_oci(const char *from);

#endif
