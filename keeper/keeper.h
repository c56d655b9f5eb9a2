/*
 * keeper.h - what the steps of opening a session share.
 *
 *	sshd monitor (root)
 *	   └─ carrel-keeper (root, host namespaces): one per session, this program
 *	         └─ init (its clone, uid 0 of the session's user namespace, PID 1 of the sandbox): init.c
 *	               └─ the user's processes: init_spawn.c
 */
#ifndef CARREL_KEEPER_H
#define CARREL_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "core/cgroup.h"
#include "core/config.h"
#include "core/error.h"
#include "core/idmap.h"
#include "core/override.h"
#include "core/policy.h"
#include "core/session.h"

/* What pam_carrel.so asked for (argv, see core/wire.h). */
struct request {
	const char *user;
	const char *conf;
	const char *service;
	const char *rhost;
	const char *tty;
	int timeout; /* seconds for everything up to READY, and for everything after the end */
	bool debug;
};

/*
 * One session, filled step by step. Descriptors are -EBADF until a step opens them. Everything up to the
 * clone is inherited by init as a copy of memory and of the descriptor table.
 */
struct keeper {
	struct request request;
	struct config *config;
	struct user_facts user;
	struct policy policy;
	struct override_stamp stamp; /* of before the policy was read, see ceiling.h */

	struct session_record record;
	int record_fd;	/* locked for the life of the session */
	int control_fd; /* listening, root only */
	int listen_fd;	/* listening, the user's; init accepts on it */

	int users_fd; /* CARREL_USERS */
	int user_fd;  /* CARREL_USERS/UID */
	int lock_fd;  /* the same directory, flocked while the user's sessions are counted or changed */
	struct idmap ids;

	int scope_fd; /* locked while others may rely on our being in systemd's scope, see scope.c */
	struct cgroup_tree *cgroups;
	int cgroup_fds[CGROUP_FDS_MAX];
	int cgroup_fds_count;

	int image_fd;		 /* its image, locked until the record tells who uses it */
	int rootfs_fd;		 /* detached mount of the user's overlay */
	int home_fd;		 /* detached mount of the home, private or of the host */
	int limits_fd;		 /* detached mount with the file of limits, see limits.h */
	int ssh_fd;		 /* detached idmapped mount of ~/.ssh, or -EBADF */
	int disk_fd;		 /* where the user's files are, for as long as the session is watched */
	int bind_fds[BINDS_MAX]; /* detached idmapped mounts of policy.binds, or -EBADF */
	int map_fd;		 /* user namespace of such mounts, once there is one */
	int storage_fd;		 /* the directory they are of, until its limits are settled */
	bool storage_mounted;	 /* by us, so this is the user's first session */

	int init_pidfd;
	int sync_fd; /* socket to init: one byte from us, then READY or an error from it */

	int ask_fds[2]; /* a socket: the keeper's end, and that of init and what it forks, see ask.h */
	int oom_score;	/* oom_score_adj of the user's processes */

	struct rlimit files; /* RLIMIT_NOFILE of the user's processes, of which init keeps above */

	char outcome[4096]; /* of the user's last requests from inside (self_service.h), or "" */

	char *title; /* the argv area, for init's name in ps */
	size_t title_size;
};

#endif
