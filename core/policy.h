/*
 * policy.h - what the config says for one user: a pure decision, config + user facts -> policy.
 *
 * Nothing here reads a file, asks NSS or the kernel, so every case can be tested without root.
 */
#ifndef CARREL_POLICY_H
#define CARREL_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "error.h"
#include "units.h"

/* Who logs in, gathered by the caller (user.h) before anything is decided. */
struct user_facts {
	uid_t uid;
	gid_t gid; /* primary group */
	char *name;
	char *home;    /* of the host */
	char *shell;   /* of passwd */
	char *host;    /* the host's own short name, for %h in hostname; may be NULL */
	char **groups; /* names of all groups, primary first, NULL-terminated */
};

enum policy_mode { MODE_ENFORCE, MODE_SHADOW, MODE_OFF };
enum policy_rootfs { ROOTFS_PERSISTENT, ROOTFS_EPHEMERAL };
enum policy_login { LOGIN_ROOT, LOGIN_USER };
enum policy_home { HOME_PRIVATE, HOME_HOST };
enum policy_network { NETWORK_NONE, NETWORK_HOST, NETWORK_NAT };
enum policy_forwarding { FORWARDING_SANDBOX, FORWARDING_HOST };
enum policy_seccomp { SECCOMP_DEFAULT, SECCOMP_OFF };

#define IO_LIMITS_MAX 8 /* entries of one list */

/* What one block device may be used for, each second. UNIT_NONE: no limit. */
struct io_limit {
	const char *device; /* a block device, or a path on it; NULL with a weight that holds for all */
	uint64_t read;	    /* bytes */
	uint64_t write;
	uint64_t read_ops;
	uint64_t write_ops;
	uint64_t weight; /* 1..10000, 100 is everybody's; UNIT_NONE: not said */
	struct io_limit *next;
};

#define BINDS_MAX     32
#define BIND_PATH_MAX 200 /* bytes, after %u */

/* A directory or file of the host that the sandbox sees. %u in either path is the user's name. */
struct bind_mount {
	const char *source; /* of the host */
	const char *target; /* inside */
	bool readonly;
	bool optional; /* left out, and logged, where the source is missing or cannot be idmapped */
	struct bind_mount *next;
};

/* The limits of one level of groups. UNIT_NONE: no limit. */
struct limits {
	uint64_t memory;     /* bytes */
	uint64_t swap;	     /* bytes beside memory */
	uint64_t cpus;	     /* thousandths of a CPU */
	uint64_t cpu_weight; /* 1..10000, 100 is everybody's share */
	uint64_t pids;
	const struct io_limit *io; /* a list, or NULL */

	/* Of a session alone. */
	uint64_t tmp;	     /* bytes of each of /tmp, /run and /dev/shm */
	uint64_t tmp_inodes; /* inodes of each of them */
	uint64_t open_files; /* RLIMIT_NOFILE of a process */

	/* Of a user alone. */
	uint64_t disk;	 /* bytes of the root filesystem and home */
	uint64_t inodes; /* files in them */
};

struct session_rules {
	uint64_t max;  /* sessions open at once */
	uint64_t idle; /* milliseconds, likewise below */
	uint64_t lifetime;
	uint64_t warn;
};

#define GROUP_NAME_MAX 64

/* Where an effective value came from. */
struct origin {
	const char *file; /* borrowed from the config; NULL: the built-in default */
	unsigned line;
};

struct policy {
	enum policy_mode mode;
	bool covered;
	char why[256]; /* "matches covers '@students' (/etc/carrel/carrel.conf:3)" */

	/* Strings and lists are borrowed from the config and live as long as it does. */
	const char *image;
	enum policy_rootfs rootfs;
	enum policy_login login_as;
	const char *shell; /* inside the sandbox, absolute */
	enum policy_home home;
	bool share_ssh_dir;
	char hostname[65]; /* %u and %h already put in */
	bool forced_command_ok;
	enum policy_network network;
	enum policy_forwarding forwarding;
	bool agent; /* ssh -A reaches inside */
	bool x11;   /* ssh -X reaches inside */
	bool no_new_privs;
	enum policy_seccomp seccomp;
	uint64_t capabilities;		 /* bit N: capability number N stays in the bounding set */
	const char *const *self_service; /* what users may ask for from inside, NULL-terminated */
	const char *const *env;		 /* names let in beside the built-in ones, NULL-terminated */
	struct limits limits;		 /* each session */
	struct limits user_limits;
	struct limits group_limits;	/* those of `group` */
	char group[GROUP_NAME_MAX];	/* the budget the user shares: the name of its cgroup, or "" */
	const struct bind_mount *binds; /* a list, or NULL */
	const char *const
		*optional; /* limits that need not be enforced, such as "limits.io", NULL-terminated */
	struct session_rules session;

	struct origin origin[CONFIG_KEYS_MAX]; /* by the key's index in config_keys[] */
};

/*
 * Decide. Every matching rule applies in order, a later one wins key by key. A policy that comes
 * out contradictory (a value that only another value makes wrong) is -EINVAL with FILE:LINE.
 * `policy` borrows from `config` and must not outlive it. Returns 0 or -errno.
 */
int policy_decide(const struct config *config, const struct user_facts *user, struct policy *policy,
		  struct carrel_error *err);

/* The user's home inside. Returns buf. */
#define INNER_HOME_MAX 300
char *policy_inner_home(const struct policy *policy, const struct user_facts *user, char *buf, size_t size);

/* Whether `label`, such as "limits.io", is in this list: a policy's `optional`, or NULL. */
bool policy_is_optional(const char *const *optional, const char *label);

/*
 * A limit of the user's files that is set and must be kept, by its label: each of the two that is not optional. NULL: the policy
 * would do without any.
 */
const char *policy_required_storage(const struct policy *policy);

/* Whether the values of a policy contradict each other: -EINVAL with FILE:LINE, or 0. */
int policy_check(const struct policy *policy, struct carrel_error *err);

#endif
