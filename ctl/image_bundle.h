/*
 * image_bundle.h - the host's sftp-server and scp for an image that has none.
 *
 * Alpine's minirootfs has neither, and a sandbox without internet cannot install them. They are copied with their loader
 * and libraries into a folder of their own, because the image's C library is another one (musl).
 */
#ifndef CARREL_CTL_IMAGE_BUNDLE_H
#define CARREL_CTL_IMAGE_BUNDLE_H

#include "core/error.h"

/* Below the image: bin/ (scripts, the last entry of PATH inside) and lib/ (programs, loader, libraries). */
#define BUNDLE_DIR "usr/lib/carrel"

enum bundle_result {
	BUNDLE_NOT_NEEDED, /* the image has both */
	BUNDLE_DONE,
	BUNDLE_NO_SOURCE, /* this host has no sftp-server to give */
};

/*
 * Put what is missing into the unpacked image `rootfs_fd`, which may hold anything: it is written to below its own root
 * only. Returns enum bundle_result, or -errno.
 */
int bundle_sftp(int rootfs_fd, struct carrel_error *err);

#endif
