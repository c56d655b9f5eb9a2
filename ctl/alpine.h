/*
 * alpine.h - what Alpine's download site is like: branches, machines, and latest-releases.yaml. Pure.
 *
 *	MIRROR/BRANCH/releases/ARCH/latest-releases.yaml
 *	MIRROR/BRANCH/releases/ARCH/alpine-minirootfs-VERSION-ARCH.tar.gz and, beside it, the same with .sha512
 */
#ifndef CARREL_CTL_ALPINE_H
#define CARREL_CTL_ALPINE_H

#include <stdint.h>

#include "core/error.h"
#include "digest.h"

#define ALPINE_VERSION_MAX 24

struct alpine_release {
	char version[ALPINE_VERSION_MAX];
	char sha512[DIGEST_HEX_MAX];
	uint64_t size; /* 0: not known */
};

/* Alpine's name for uname(2)'s machine, or NULL. */
const char *alpine_arch(const char *machine);

/*
 * The branch that a version is of: "3.20" and "3.20.3" are "v3.20", NULL is "latest-stable". -EINVAL for anything
 * else. `exact` is then the version, when it names a single release, or "".
 */
int alpine_branch(const char *wanted, char branch[ALPINE_VERSION_MAX], char exact[ALPINE_VERSION_MAX]);

/* The minirootfs of an architecture in the index. -ENOENT, or -EBADMSG when what it says is not sound. */
int alpine_find(const char *index, const char *arch, struct alpine_release *release,
		struct carrel_error *err);

/* The digest in a sha512sum(1) line "HEX  FILE". -EBADMSG. */
int alpine_read_sum(const char *line, const char *file, char sha512[DIGEST_HEX_MAX]);

#endif
