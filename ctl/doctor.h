/*
 * doctor.h - what the files of `carrelctl doctor` share.
 *
 *	doctor.c         the verb, the table of checks, the table that it prints
 *	doctor_host.c    kernel, cgroups, policy, programs, logs
 *	doctor_state.c   what is in CARREL_STATE_DIR and CARREL_RUN_DIR
 *	doctor_pam.c     /etc/pam.d/sshd; pam_stack.c reads it
 *	doctor_sshd.c    what `sshd -T` says; sshd_text.c judges it
 *	doctor_users.c   one user, or everybody who can log in
 *	doctor_user.c    what is looked at of one user
 *	doctor_home.c    home = "host": which doors of host_home.h are open
 *
 * Everything is looked at and nothing changed: no lock is waited for, no group, root filesystem or attached mount is made.
 */
#ifndef CARREL_CTL_DOCTOR_H
#define CARREL_CTL_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cgroup.h"
#include "core/config.h"
#include "core/policy.h"

enum doctor_result { DOCTOR_OK, DOCTOR_WARNING, DOCTOR_PROBLEM };

struct finding {
	enum doctor_result result;
	const char *what;   /* the check's name */
	const char *remedy; /* "": nothing to do */
	char text[768];
	char users[200]; /* whom it is about, the first few; "": the host */
	unsigned user_count;
};

struct doctor {
	const char *user;      /* of the command line, or NULL */
	struct config *config; /* NULL: it cannot be read */
	struct policy
		anybody; /* of a user whom only rules for everybody match; not `covered` without a config */
	struct cgroup_tree *tree; /* NULL: the host's cgroups cannot be used */
	int userns;		  /* for trying whether a filesystem can be idmapped; -errno */

	const char *what;    /* the check that is running */
	const char *subject; /* the user it is about, or NULL */
	struct finding *findings;
	size_t count;
	bool incomplete; /* out of memory: a finding is missing */
};

/* What is fine. */
void doctor_ok(struct doctor *d, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What is not, and how to mend it. `remedy` is a literal. The same of several users is one finding. */
void doctor_note(struct doctor *d, enum doctor_result result, const char *remedy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Whether the filesystem at `fd` (O_PATH) can show other owners: 0, -EINVAL, or -errno with a message. */
int doctor_try_idmap(const struct doctor *d, int fd, struct carrel_error *err);

/* Checks of the host. */
void doctor_kernel(struct doctor *d);
void doctor_namespaces(struct doctor *d);
void doctor_overlay(struct doctor *d);
void doctor_cgroup(struct doctor *d);
void doctor_scope(struct doctor *d);
void doctor_config(struct doctor *d);
void doctor_names(struct doctor *d);
void doctor_images(struct doctor *d);
void doctor_programs(struct doctor *d);
void doctor_shells(struct doctor *d);
void doctor_pam(struct doctor *d);
void doctor_nss(struct doctor *d);
void doctor_syslog(struct doctor *d);
void doctor_kmsg(struct doctor *d);
void doctor_sshd(struct doctor *d);
void doctor_ids(struct doctor *d);
void doctor_state(struct doctor *d);
void doctor_storage(struct doctor *d);
void doctor_space(struct doctor *d);

/* doctor_users.c: of d->user, or of everybody who is known. -ENOENT with a message: there is no such user; nothing was found out. */
int doctor_users(struct doctor *d, struct carrel_error *err);

/* --- what the checks of a user share --- */

struct doctor_user {
	struct user_facts facts;
	struct policy policy;
	bool has_sshd; /* sshd_text is what holds for the user */
	char sshd_text[32768];
};

/* doctor_user.c: all checks of a user whose facts and policy are set. */
void doctor_check_user(struct doctor *d, struct doctor_user *user);

/* doctor_sshd.c: ask sshd what holds for the user, and judge it. */
void doctor_user_sshd(struct doctor *d, struct doctor_user *user);

/* doctor_home.c */
void doctor_user_home(struct doctor *d, const struct doctor_user *user);

/* doctor_pam.c: whether sessions of `service` run the module, with `argument` unless that is NULL. */
bool doctor_pam_runs(const char *service, const char *module, const char *argument);

#endif
