/*
 * image.h - base images: CARREL_IMAGES/NAME/{rootfs/,manifest}, read-only, owned by root, unshifted ids.
 */
#ifndef CARREL_IMAGE_H
#define CARREL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

#define IMAGE_NAME_MAX 63

struct image_manifest {
	char name[IMAGE_NAME_MAX + 1];
	char source[256]; /* a file's own name, without its directory; "oci:NAME:TAG"; an address */
	char digest
		[144]; /* of that: "sha512:HEX" of a file, "sha256:HEX" of the manifest of an OCI image, or "" */
	char os[128];	   /* PRETTY_NAME of its os-release, or "" */
	uint64_t imported; /* seconds since the epoch */
	uint64_t bytes;	   /* unpacked */
	uint64_t entries;
	char sftp
		[8]; /* where sftp-server comes from: "image", "host" (bundled at the import), "none", "" (not asked) */
	char tree
		[144]; /* "sha256:HEX" of the list of all files with their digests, "" where there is no list */
	char sha512[129]; /* what `digest` was before it had a name; read, not written */
};

bool image_name_valid(const char *name);

/*
 * Open the rootfs directory of an image (O_PATH). -ENOENT and "image 'x' is not imported" when it is
 * missing; the directories above are checked to be root's and not writable by others.
 */
int image_open(const char *name, struct carrel_error *err);

/* Open the directory of an image, for reading. Checked likewise. */
int image_open_dir(const char *name, struct carrel_error *err);

/*
 * The same, locked as flock(2) has it, for as long as the descriptor is open. LOCK_SH: nobody removes the image. To be taken by
 * whoever is about to use it, until others can see that they do: a session by its record, a root filesystem by what is remembered of
 * it. LOCK_EX: nobody begins to use it, which is when to look whether it may be removed. Waits up to timeout_ms; -EBUSY: not long
 * enough. -ENOENT as for image_open.
 */
int image_lock(const char *name, int how, int timeout_ms, struct carrel_error *err);
#define IMAGE_LOCK_MS 3000 /* for who is not a login */

int image_read_manifest(const char *name, struct image_manifest *manifest, struct carrel_error *err);

/* Write the manifest into an image's directory, before it becomes visible under its name. */
int image_write_manifest(int dirfd, const struct image_manifest *manifest, struct carrel_error *err);

/*
 * The path of an archive's entry as one below the image's root: without "./" and doubled slashes, "" for the
 * root itself. -EXDEV when it is absolute or has "..", -ENAMETOOLONG.
 */
#define IMAGE_DEPTH_MAX	    256
#define IMAGE_COMPONENT_MAX 255
int image_entry_path(const char *path, char *clean, size_t size);

/* PRETTY_NAME of an os-release(5) text, cut to size; "" when there is none. */
void image_os_name(const char *os_release, char *out, size_t size);

#endif
