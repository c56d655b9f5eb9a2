/*
 * project.h - project quotas: what belongs to a project, and how much it may be. ext4 and xfs, which share the interface.
 *
 * A user's project is a number of their own block of ids (idmap.h), so no two users of Carrel ever have the same; and the first of
 * it that nothing on the filesystem belongs to, so it is nobody else's either. It is remembered where it counts: as the project of
 * the directories, which new files in them inherit. The kernel lets neither be changed from a user namespace.
 */
#ifndef CARREL_PROJECT_H
#define CARREL_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

/* Whether the filesystem of `fd` keeps to limits of projects. */
bool project_enforced(int fd);

/* The project that new files in the directory `fd` inherit, 0: none. */
uint32_t project_of(int fd);

/* A project of the block `first`, … of `count` numbers that nothing belongs to. 0 or -errno. */
int project_choose(int fd, uint32_t first, uint32_t count, uint32_t *id, struct carrel_error *err);

/*
 * Make the tree dirfd/name part of project `id`, all that is in it first and the directory itself last, so that project_of() says
 * whether it is done. Links, pipes and the like, which have no project of their own before Linux 6.17, are made anew in
 * `scratch`, an empty directory of the project, and renamed over the old. No session of the user is live (fs_walk.h). -ETIMEDOUT at the
 * deadline of fs_now_ms (0: none), 0, or -errno.
 */
int project_adopt(int dirfd, const char *name, int scratch, uint32_t id, int64_t deadline,
		  struct carrel_error *err);

/* Make the empty or new directory `fd` part of it. 0 or -errno. */
int project_mark(int fd, uint32_t id);

struct project_usage {
	uint64_t bytes, inodes;
	uint64_t bytes_limit, inodes_limit; /* UNIT_NONE: no limit */
};

/* What the files of a project take, and its limits, as the filesystem of `fd` has them. 0 or -errno. */
int project_usage(int fd, uint32_t id, struct project_usage *usage, struct carrel_error *err);

/* Set both limits (UNIT_NONE: no limit; bytes are rounded down to KiB) and read them back. 0 or -errno. */
int project_set_limits(int fd, uint32_t id, uint64_t bytes, uint64_t inodes, struct carrel_error *err);

#endif
