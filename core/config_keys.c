/*
 * config_keys.c - the table of every setting, and what a string of each may be.
 *
 * Order: as people read them, settings of one group together. A new key is one entry here and one member of
 * struct policy; parser, validation, `carrelctl explain` and the tests of the manual follow.
 */
#include "config_internal.h"

#include <stdio.h>
#include <string.h>

#include "bind.h"
#include "cleanup.h"
#include "image.h"
#include "text.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define TIB (1024 * 1024 * MIB)

#define SECOND 1000ull
#define YEAR   (366 * 24 * 3600 * SECOND)

#define PATH_MAX_BYTES	   255
#define TEMPLATE_MAX_BYTES 255

/* --- what a string may be: NULL, or the rest of "'shell' …" --- */

static const char *check_image(const char *text)
{
	return text_is_name(text, IMAGE_NAME_MAX) ? NULL
						  : "must be a name of letters, digits, '.', '_' and '-'";
}

static const char *check_shell(const char *text)
{
	size_t length = strlen(text);

	if (text[0] != '/' || text[length - 1] == '/')
		return "must be the absolute path of a program";
	if (strstr(text, "/../") || strcmp(text + length - (length >= 3 ? 3 : length), "/..") == 0)
		return "must not contain '..'";
	for (const char *p = text; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return "must not contain control characters";
	}
	return length <= PATH_MAX_BYTES ? NULL : "is too long";
}

static const char *check_hostname(const char *text)
{
	if (!*text || strlen(text) > TEMPLATE_MAX_BYTES)
		return "must have between 1 and 255 characters";
	for (const char *p = text; *p; p++) {
		if (*p == '%') {
			p++;
			if (*p != 'u' && *p != 'h')
				return "may have %u (the user) and %h (the host) in it, and no other '%'";
		} else if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-", *p)) {
			return "must be of letters, digits, '.', '-', %u and %h";
		}
	}
	return NULL;
}

static const char *check_self_service(const char *text)
{
	return strcmp(text, "reset") == 0 || strcmp(text, "snapshot") == 0
		       ? NULL
		       : "must be \"reset\" or \"snapshot\"";
}

/* Set by init itself, or read by loaders and shells before they do anything. A '*' stands for any ending. */
static const char *const env_refused[] = {
	"PATH", "HOME", "USER",	    "LOGNAME", "SHELL",	   "MAIL",
	"IFS",	"ENV",	"BASH_ENV", "LD_*",    "CARREL_*", NULL,
};

/* Whether there is a name that both of two patterns, each with or without a '*' at its end, let through. */
static bool patterns_meet(const char *a, const char *b)
{
	size_t la = strcspn(a, "*"), lb = strcspn(b, "*");
	size_t common = la < lb ? la : lb;

	if (strncmp(a, b, common) != 0)
		return false;
	return la == lb || (la < lb ? a[la] == '*' : b[lb] == '*');
}

static const char *check_env(const char *text)
{
	size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

	if (!length || (*text >= '0' && *text <= '9') ||
	    strcmp(text + length + (text[length] == '*'), "") != 0)
		return "must be names of variables, with a '*' at the end at most";
	for (const char *const *refused = env_refused; *refused; refused++) {
		if (patterns_meet(text, *refused))
			return "must not let in PATH, HOME, USER, LOGNAME, SHELL, MAIL, IFS, ENV, BASH_ENV, "
			       "LD_* or CARREL_*";
	}
	return NULL;
}

/* --- the table --- */

static const char *const mode_choices[] = { "enforce", "shadow", "off", NULL };
static const char *const rootfs_choices[] = { "persistent", "ephemeral", NULL };
static const char *const login_choices[] = { "root", "user", NULL };
static const char *const home_choices[] = { "private", "host", NULL };
static const char *const network_choices[] = { "none", "host", "nat", NULL };
static const char *const forwarding_choices[] = { "sandbox", "host", NULL };
static const char *const seccomp_choices[] = { "default", "off", NULL };

_Static_assert(sizeof(enum policy_mode) == sizeof(int) && sizeof(enum policy_rootfs) == sizeof(int) &&
		       sizeof(enum policy_login) == sizeof(int) && sizeof(enum policy_home) == sizeof(int) &&
		       sizeof(enum policy_network) == sizeof(int) &&
		       sizeof(enum policy_forwarding) == sizeof(int) &&
		       sizeof(enum policy_seccomp) == sizeof(int),
	       "a choice is stored as an int");

/* What a user's own root needs to install packages and change users, and no more. */
#define DEFAULT_CAPS                                                                                       \
	"chown dac_override fowner fsetid kill setgid setuid setpcap setfcap net_bind_service sys_chroot " \
	"audit_write"

/* --- tables --- */

static const char *check_path(const char *text)
{
	return text[0] == '/' && strlen(text) <= PATH_MAX_BYTES ? NULL : "must be an absolute path";
}

#define IN_IO(member) .offset = offsetof(struct io_limit, member)
#define RATE(name, member, kind, text)                                                                    \
	{                                                                                                 \
		"io", name, kind, "max", .min = 1, .max = 1024 * TIB, .can_be_none = true, IN_IO(member), \
					 .help = (text)                                                   \
	}

static const struct config_key io_fields[] = {
	{ "io", "device", KEY_STRING, NULL, .check = check_path, IN_IO(device),
	  .help = "a disk, or a path on it" },
	RATE("read", read, KEY_SIZE, "bytes read per second"),
	RATE("write", write, KEY_SIZE, "bytes written per second"),
	RATE("read_ops", read_ops, KEY_COUNT, "reads per second"),
	RATE("write_ops", write_ops, KEY_COUNT, "writes per second"),
	{ "io", "weight", KEY_COUNT, "max", .min = 1, .max = 10000, .can_be_none = true, IN_IO(weight),
	  .help = "share of a busy disk, against 100 of everybody else" },
};

static const char *check_io(const void *entry)
{
	const struct io_limit *io = entry;
	bool rates = io->read != UNIT_NONE || io->write != UNIT_NONE || io->read_ops != UNIT_NONE ||
		     io->write_ops != UNIT_NONE;

	if (rates && !io->device)
		return "needs a 'device' for its rates";
	return rates || io->weight != UNIT_NONE
		       ? NULL
		       : "needs one of 'read', 'write', 'read_ops', 'write_ops', 'weight'";
}

static const struct config_table io_table = {
	.fields = io_fields,
	.count = ARRAY_SIZE(io_fields),
	.entry_size = sizeof(struct io_limit),
	.next = offsetof(struct io_limit, next),
	.most = IO_LIMITS_MAX,
	.check = check_io,
};

#define IN_BIND(member) .offset = offsetof(struct bind_mount, member)

static const struct config_key bind_fields[] = {
	{ "binds", "source", KEY_STRING, NULL, .check = bind_check_source, IN_BIND(source),
	  .help = "a directory or file of the host" },
	{ "binds", "target", KEY_STRING, NULL, .check = bind_check_target, IN_BIND(target),
	  .help = "where it is inside" },
	{ "binds", "readonly", KEY_BOOL, "false", IN_BIND(readonly), .help = "whether it cannot be written" },
	{ "binds", "optional", KEY_BOOL, "false", IN_BIND(optional),
	  .help = "whether a login goes on without it where it is missing" },
};

static const struct config_table bind_table = {
	.fields = bind_fields,
	.count = ARRAY_SIZE(bind_fields),
	.entry_size = sizeof(struct bind_mount),
	.next = offsetof(struct bind_mount, next),
	.most = BINDS_MAX,
	.check = bind_check_entry,
};

/* Limits that a policy may do without where the kernel cannot enforce them. */
static const char *check_optional(const char *text)
{
	static const char *const names[] = { "memory", "swap", "cpus", "cpu_weight", "pids", "io", NULL };
	static const char *const levels[] = { "limits.", "user_limits.", "group_limits.", NULL };

	if (strcmp(text, "user_limits.disk") == 0 || strcmp(text, "user_limits.inodes") == 0)
		return NULL;
	for (const char *const *level = levels; *level; level++) {
		size_t length = strlen(*level);
		for (const char *const *name = names; *name && strncmp(text, *level, length) == 0; name++)
			if (strcmp(text + length, *name) == 0)
				return NULL;
	}
	return "must be names of limits such as \"limits.io\" or \"user_limits.disk\"";
}

#define IN(member) .offset = offsetof(struct policy, member)
#define NOWHERE	   .offset = CONFIG_NOT_STORED

/* The limits of the levels above a session, which may be without any. */
/* NOLINTBEGIN(bugprone-macro-parentheses): names of members */
#define LEVEL(level, key, member, kind, unset, low, high, text)                                   \
	{                                                                                         \
#level, key, kind, unset, .min = (low), .max = (high), .can_be_none = true,       \
					  .rules_only = sizeof(#level) == sizeof("group_limits"), \
					  IN(level.member), .help = (text)                        \
	}
#define LEVEL_LIMITS(level, whose)                                                          \
	LEVEL(level, "memory", memory, KEY_SIZE, "max", 8 * MIB, 1024 * TIB,                \
	      "memory of all sessions of " whose),                                          \
		LEVEL(level, "swap", swap, KEY_SIZE, "max", 0, 1024 * TIB,                  \
		      "swap of all sessions of " whose),                                    \
		LEVEL(level, "cpus", cpus, KEY_CPUS, "max", 10, 10000 * 1000,               \
		      "processors of all sessions of " whose),                              \
		LEVEL(level, "cpu_weight", cpu_weight, KEY_COUNT, "100", 1, 10000,          \
		      "share of busy processors of " whose),                                \
		LEVEL(level, "pids", pids, KEY_COUNT, "max", 4, 4 * MIB,                    \
		      "processes of all sessions of " whose),                               \
	{                                                                                   \
#level, "io", KEY_TABLE, "",                                                \
			.table = &io_table, IN(level.io),                                   \
			.rules_only = sizeof(#level) == sizeof("group_limits"),             \
			.help = "bytes and operations per second of all sessions of " whose \
	}
/* NOLINTEND(bugprone-macro-parentheses) */

/* clang-format off */
const struct config_key config_keys[] = {
	{ NULL, "covers", KEY_PATTERNS, "", .top_level = true, NOWHERE,
	  .help = "who is sandboxed" },
	{ NULL, "exempt", KEY_PATTERNS, "", .top_level = true, NOWHERE,
	  .help = "who never is, whatever covers says" },
	{ NULL, "mode", KEY_CHOICE, "enforce", mode_choices, .top_level = true, IN(mode),
	  .help = "whether the policy is carried out, only logged, or off" },

	{ NULL, "image", KEY_STRING, "alpine", .check = check_image, IN(image),
	  .help = "base image of a new user's root filesystem" },
	{ NULL, "rootfs", KEY_CHOICE, "persistent", rootfs_choices, IN(rootfs),
	  .help = "whether changes to the root filesystem are kept" },
	{ NULL, "self_service", KEY_NAMES, "", .check = check_self_service, IN(self_service),
	  .help = "changes of their own root filesystem that users may ask for from inside" },
	{ NULL, "login_as", KEY_CHOICE, "root", login_choices, IN(login_as),
	  .help = "who the user is inside the sandbox" },
	{ NULL, "shell", KEY_STRING, "/bin/sh", .check = check_shell, IN(shell),
	  .help = "login shell inside the sandbox" },
	{ NULL, "home", KEY_CHOICE, "private", home_choices, IN(home),
	  .help = "where the home directory comes from" },
	{ NULL, "share_ssh_dir", KEY_BOOL, "true", IN(share_ssh_dir),
	  .help = "whether ~/.ssh is that of the host" },
	{ NULL, "hostname", KEY_TEMPLATE, "%u", .check = check_hostname, IN(hostname),
	  .help = "host name inside; %u is the user, %h this host's short name" },
	{ NULL, "forced_command_ok", KEY_BOOL, "false", IN(forced_command_ok),
	  .help = "accept another login shell in passwd: sshd's ForceCommand runs carrel-shell" },
	{ NULL, "network", KEY_CHOICE, "none", network_choices, IN(network),
	  .unavailable_choices = 1 << NETWORK_HOST | 1 << NETWORK_NAT,
	  .help = "which network the sandbox has" },
	{ NULL, "forwarding", KEY_CHOICE, "sandbox", forwarding_choices, IN(forwarding),
	  .help = "whose network ssh -L, -R, -D and -W reach" },
	{ NULL, "agent", KEY_BOOL, "true", IN(agent),
	  .help = "whether ssh -A reaches inside" },
	{ NULL, "x11", KEY_BOOL, "false", IN(x11),
	  .help = "whether ssh -X reaches inside" },
	{ NULL, "no_new_privs", KEY_BOOL, "false", IN(no_new_privs),
	  .help = "setuid programs and file capabilities have no effect inside" },
	{ NULL, "seccomp", KEY_CHOICE, "default", seccomp_choices, IN(seccomp),
	  .help = "filter of system calls" },
	{ NULL, "capabilities", KEY_CAPS, DEFAULT_CAPS, IN(capabilities),
	  .help = "what root inside may ever have, over the sandbox alone" },
	{ NULL, "env", KEY_NAMES, "", .check = check_env, IN(env),
	  .help = "variables let in beside TERM, COLORTERM, LANG, LC_*, TZ, SSH_CONNECTION and SSH_CLIENT" },
	{ NULL, "optional", KEY_NAMES, "", .check = check_optional, IN(optional),
	  .help = "limits without which a session may be, where the kernel cannot enforce them" },
	{ NULL, "binds", KEY_TABLE, "", .table = &bind_table, IN(binds),
	  .help = "directories and files of the host that the sandbox sees" },

	{ "limits", "memory", KEY_SIZE, "512M", .min = 8 * MIB, .max = 1024 * TIB, .can_be_none = true,
	  IN(limits.memory), .help = "memory of a session" },
	{ "limits", "swap", KEY_SIZE, "0", .max = 1024 * TIB, .can_be_none = true, IN(limits.swap),
	  .help = "swap of a session, beside its memory" },
	{ "limits", "cpus", KEY_CPUS, "1", .min = 10, .max = 10000 * 1000, .can_be_none = true, IN(limits.cpus),
	  .help = "processors of a session" },
	{ "limits", "cpu_weight", KEY_COUNT, "100", .min = 1, .max = 10000, IN(limits.cpu_weight),
	  .help = "share of busy processors, against 100 of everybody else" },
	{ "limits", "pids", KEY_COUNT, "256", .min = 4, .max = 4 * MIB, .can_be_none = true, IN(limits.pids),
	  .help = "processes and threads of a session" },
	{ "limits", "io", KEY_TABLE, "", .table = &io_table, IN(limits.io),
	  .help = "bytes and operations per second of block devices" },
	{ "limits", "tmp", KEY_SIZE, "64M", .min = 64 * KIB, .max = 1024 * TIB, IN(limits.tmp),
	  .help = "size of each of /tmp, /run and /dev/shm" },
	{ "limits", "tmp_inodes", KEY_COUNT, "64k", .min = 64, .max = 1024 * MIB, IN(limits.tmp_inodes),
	  .help = "files in each of them" },
	{ "limits", "open_files", KEY_COUNT, "8k", .min = 32, .max = MIB, IN(limits.open_files),
	  .help = "descriptors of one process" },

	LEVEL_LIMITS(user_limits, "a user"),
	LEVEL(user_limits, "disk", disk, KEY_SIZE, "max", MIB, 1024 * TIB, "size of a user's root filesystem and home"),
	LEVEL(user_limits, "inodes", inodes, KEY_COUNT, "max", 64, 1024 * MIB, "files in a user's root filesystem and home"),
	LEVEL_LIMITS(group_limits, "everybody whom a rule matches"),

	{ "session", "max", KEY_COUNT, "8", .min = 1, .max = 100000, .can_be_none = true, IN(session.max),
	  .help = "sessions a user may have open at once" },
	{ "session", "idle", KEY_TIME, "off", .min = SECOND, .max = YEAR, .can_be_none = true,
	  IN(session.idle), .help = "end a session without input and output after this time" },
	{ "session", "lifetime", KEY_TIME, "off", .min = SECOND, .max = YEAR, .can_be_none = true,
	  IN(session.lifetime), .help = "end every session after this time" },
	{ "session", "warn", KEY_TIME, "60s", .max = YEAR, .can_be_none = true,
	  IN(session.warn), .help = "how long before that the user is told" },
};
/* clang-format on */

const size_t config_keys_count = ARRAY_SIZE(config_keys);
_Static_assert(ARRAY_SIZE(config_keys) <= CONFIG_KEYS_MAX, "origin[] of struct policy is too small");

const char *config_key_label(const struct config_key *key, char buf[CONFIG_LABEL_MAX])
{
	snprintf(buf, CONFIG_LABEL_MAX, "%s%s%s", key->group ? key->group : "", key->group ? "." : "",
		 key->name);
	return buf;
}

size_t config_key_find(const char *group, const char *name)
{
	size_t i = 0;

	for (; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		bool same_group = group && key->group ? strcmp(group, key->group) == 0 : group == key->group;

		if (same_group && strcmp(key->name, name) == 0)
			break;
	}
	return i;
}
