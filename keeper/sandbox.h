/*
 * sandbox.h - the walls: clone init into its namespaces and see it through to READY.
 */
#ifndef CARREL_SANDBOX_H
#define CARREL_SANDBOX_H

#include "keeper.h"

/*
 * The keeper and init work at the same time: a network namespace costs a millisecond, so do the mounts, and so does
 * libcgroup. Each step below hands init what it is waiting for.
 *
 *	keeper			init
 *	sandbox_clone		unshare net, uts, ipc
 *	  maps, go		become root, host name, loopback
 *	rootfs_open, cgroup
 *	sandbox_give MOUNTS	mounts, pivot, masks
 *	sandbox_give CGROUP	enter, cgroup namespace, filter, capabilities
 *	sandbox_wait		READY
 */

/* clone3 from the template, write the id maps, let init go. Sets init_pidfd, sync_fd and record.init. 0 or -errno. */
int sandbox_clone(struct keeper *k, struct carrel_error *err);

/* The user namespace of init, for id maps of mounts. Descriptor or -errno. */
int sandbox_userns(const struct keeper *k, struct carrel_error *err);

/* What init waits for, in this order: one byte, with the descriptors named. */
enum gift {
	GIFT_GO = 'g',
	GIFT_MOUNTS = 'm', /* the mounts of keeper.h, each in a message of its own, and MOUNT_END */
	GIFT_CGROUP = 'c', /* what init enters the session's cgroup by; none on v2: it is born there */
};

/* Which mount a message brings. */
enum mount_role {
	MOUNT_END, /* none: those that have not come are not there */
	MOUNT_ROOT,
	MOUNT_HOME,
	MOUNT_LIMITS,
	MOUNT_SSH,
	MOUNT_BINDS, /* the first of policy.binds; the others follow */
	MOUNT_ROLES = MOUNT_BINDS + BINDS_MAX,
};

/* Hand over, and close our copies. Init having failed meanwhile is success here: sandbox_wait tells. */
int sandbox_give(struct keeper *k, enum gift gift, struct carrel_error *err);

/* init's side. `fds` has room for CGROUP_FDS_MAX; returns how many came, or -errno. */
int sandbox_take(int sync_fd, enum gift gift, int *fds, struct carrel_error *err);

/* init's side of GIFT_MOUNTS: fills rootfs_fd, home_fd, limits_fd, ssh_fd and bind_fds. 0 or -errno. */
int sandbox_take_mounts(struct keeper *k, int sync_fd, struct carrel_error *err);

/* Wait for init's report, bounded by the watchdog of the whole opening. -errno with init's own message. */
int sandbox_wait(struct keeper *k, struct carrel_error *err);

/*
 * Kill init, and by that every process of the sandbox, and wait at most timeout_ms until the kernel has
 * reaped them all. 0 or -ETIMEDOUT. Not started is success.
 */
int sandbox_stop(struct keeper *k, int timeout_ms);

/* What init tells the keeper over sync_fd, once. code 0: ready. */
struct init_report {
	struct carrel_error error;
};

#endif
