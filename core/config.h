/*
 * config.h - /etc/carrel/carrel.conf and conf.d/, read and validated against one table of keys.
 *
 * The table config_keys[] is the truth for the parser, the validation, `carrelctl explain` and the
 * manual. Order in it is the order of presentation. A choice that is in the grammar and not yet
 * implemented is refused by name ("'network': "host" is not available in this version").
 *
 * Files: the main file, then NAME.conf of the conf.d/ beside it in lexical (strcmp) order. Each is opened
 * once, O_NOFOLLOW | O_NONBLOCK, must be a regular file of root's, not writable by group or other, at most
 * 1 MiB; the same goes for the owner and mode of the directories that hold them. A later file's covers/exempt
 * add to the earlier ones, its mode and defaults replace key by key, its rules are appended. Names that start
 * with a dot are an editor's and are left alone. @include is refused: libconfig would open the file unchecked.
 */
#ifndef CARREL_CONFIG_H
#define CARREL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "error.h"

#define CONFIG_KEYS_MAX 64

enum key_type {
	KEY_BOOL,
	KEY_STRING,   /* checked by the key's own check function */
	KEY_CHOICE,   /* one of `choices` */
	KEY_SIZE,     /* unit_parse_size */
	KEY_COUNT,    /* unit_parse_size, without "bytes" in the manual */
	KEY_TIME,     /* unit_parse_time */
	KEY_CPUS,     /* unit_parse_cpus */
	KEY_NAMES,    /* a list or array of strings */
	KEY_TABLE,    /* a list of groups, each with the fields of `table`; a linked list in struct policy */
	KEY_PATTERNS, /* a list of whom is meant (covers, exempt); not a value of struct policy */
	KEY_CAPS,     /* a list of capabilities; a bit mask in struct policy */
	KEY_TEMPLATE, /* a string with %u and %h; char[65] in struct policy */
};

#define CONFIG_NOT_STORED ((size_t)-1)

struct config_key;

/* What each group of a KEY_TABLE may have. The offsets of the fields are in the entry. */
struct config_table {
	const struct config_key *fields;
	size_t count;
	size_t entry_size;
	size_t next;				 /* offset of the pointer to the next entry */
	size_t most;				 /* entries */
	const char *(*check)(const void *entry); /* of all fields together: NULL, or "must …" */
};

struct config_key {
	const char *group; /* "limits", "session", … or NULL for a key of defaults/rules itself */
	const char *name;
	enum key_type type;
	const char *fallback; /* the built-in default as the config writes it, without quotes; lists: words */
	const char *const *choices;		/* KEY_CHOICE: NULL-terminated, index = the enum's value */
	unsigned long long min, max;		/* numbers, in the unit of the type */
	bool can_be_none;			/* "max" or "off" allowed */
	bool rules_only;			/* group_limits: only inside a rule */
	bool top_level;				/* covers, exempt, mode: neither in defaults nor in a rule */
	unsigned unavailable_choices;		/* bit N: choice N is in the grammar and refused by name */
	const char *(*check)(const char *text); /* of a string or each of a list: NULL, or "must be …" */
	size_t offset;				/* in struct policy, or CONFIG_NOT_STORED */
	const struct config_table *table;	/* KEY_TABLE */
	const char *help;			/* one line */
};

extern const struct config_key config_keys[];
extern const size_t config_keys_count;

/* "limits.memory". Returns buf. */
#define CONFIG_LABEL_MAX 64
const char *config_key_label(const struct config_key *key, char buf[CONFIG_LABEL_MAX]);

struct config; /* config.c; read by policy.c through config_internal.h */

/*
 * Read and validate `path` and its conf.d. Every error of every file is given to `report` (may be NULL) in the
 * order found; the first also goes to `err`. Every message is "FILE:LINE: …" where there is a line. Returns
 * 0 and *config to be freed with config_free, or -errno. -ENOENT only when the main file does not exist.
 */
int config_load(const char *path, struct config **config, void (*report)(void *arg, const char *message),
		void *arg, struct carrel_error *err);

void config_free(struct config *config);

#endif
