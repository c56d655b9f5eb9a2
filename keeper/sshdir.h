/*
 * sshdir.h - the user's host ~/.ssh inside the sandbox, so that ssh-copy-id does what people expect.
 */
#ifndef CARREL_SSHDIR_H
#define CARREL_SSHDIR_H

#include "keeper.h"

/* Where sshd has its agent sockets since OpenSSH 10.1, in ~/.ssh. */
#define SSHDIR_AGENTS "agent"

/*
 * Set ssh_fd to a detached, idmapped (host user and group <-> the ones inside), nosuid, nodev, noexec clone of
 * ~/.ssh, which is made, as the user and 0700, when missing. Where that cannot be (a symlink, another owner, a
 * filesystem that cannot be idmapped) the session goes on without, with one warning in syslog: returns 0 with
 * ssh_fd -EBADF. -errno only when the keeper cannot get back to its own rights. SSHDIR_AGENTS in it is init's to hide with
 * agent = false, and to make if it is missing.
 */
int sshdir_open(struct keeper *k, struct carrel_error *err);

#endif
