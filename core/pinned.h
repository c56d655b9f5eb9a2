/*
 * pinned.h - /run/carrel and the two mount namespaces that outlive a session, pinned there.
 *
 * template	a tmpfs root with /proc, /sys, /dev nodes and a mount point: what sessions are cloned from. It
 *		holds nothing of the host, so a login costs the same however many mounts the host has, and a
 *		symlink planted in a rootfs has no host file to point at while init mounts. The
 *		proc and sysfs in it are there because the kernel lets a user namespace mount fresh ones only
 *		where it already sees whole ones.
 * vault	a tmpfs root in which each user's overlay is mounted once, below /UID. Two mounts of one upper
 *		directory are undefined behaviour; and what is here is in no table of host mounts.
 *
 * A namespace is pinned by a bind mount of its nsfs file; /run/carrel is a private mount because such
 * a bind must not propagate.
 */
#ifndef CARREL_PINNED_H
#define CARREL_PINNED_H

#include "error.h"

/* Make what is missing of /run/carrel and the two namespaces. Safe to call from many processes at once. */
int pinned_prepare(struct carrel_error *err);

enum pinned_ns { PINNED_TEMPLATE, PINNED_VAULT };

/*
 * Enter one of them. The caller is single-threaded, and its root and working directory become the namespace's.
 * Returns a descriptor of the namespace left, for pinned_leave, or -errno.
 */
int pinned_enter(enum pinned_ns which, struct carrel_error *err);

/* Go back, and close `home_ns`. Not being able to is -errno: the caller must end. */
int pinned_leave(int home_ns, struct carrel_error *err);

/* As pinned_enter, but -ENOENT when the namespace has never been made. */
int pinned_enter_existing(enum pinned_ns which, struct carrel_error *err);

#endif
