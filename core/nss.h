/*
 * nss.h - whether the host looks users up without the network.
 *
 * After sshd has joined a sandbox's network namespace it still calls initgroups() as root. Sources that use the
 * network inside the calling process (ldap, nis, winbind, …) would fail there or, worse, be answered from inside.
 */
#ifndef CARREL_NSS_H
#define CARREL_NSS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether the passwd, group, initgroups, shadow and gshadow lines of an nsswitch.conf(5) text name only sources that
 * read files or ask a local daemon over a path: files, compat, systemd, sss, db, nothing else. The first
 * other one is put in `offender` (cut to size). Changes `text`.
 */
bool nss_text_is_local(char *text, char *offender, size_t size);

/* The same of /etc/nsswitch.conf; a missing file means files only. */
bool nss_is_local(char *offender, size_t size);

#endif
