/*
 * config_internal.h - how a policy file is held in memory: built by config*.c, read by policy.c.
 *
 *	config.c        the whole: files in, struct config out
 *	config_file.c   which files, and whether they can be trusted
 *	config_parse.c  one file's text: libconfig's tree against the table of keys
 *	config_place.c  which names are settings where; near misses
 *	config_table.c  a list of groups of settings, such as `io`
 *	config_value.c  one value: text to type, ranges, choices
 *	config_keys.c   the table, and what a string of each key may be
 *	pattern.c       "name", "@group", "uid:2000-2999", "*"
 */
#ifndef CARREL_CONFIG_INTERNAL_H
#define CARREL_CONFIG_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "error.h"
#include "policy.h"

#define CONFIG_FILE_MAX (1u << 20)

/* Who is meant. Strings belong to the config. */
enum pattern_kind { PATTERN_ANYBODY, PATTERN_USER, PATTERN_GROUP, PATTERN_UIDS };

struct pattern {
	enum pattern_kind kind;
	const char *text; /* as written */
	const char *name; /* of a user or group: inside text */
	uid_t first, last;
	struct origin origin;
};

struct pattern_list {
	struct pattern *items;
	size_t count;
};

/* What one key was set to, and where. */
struct config_value {
	size_t key; /* index in config_keys[] */
	struct origin origin;
	union {
		bool flag;		  /* KEY_BOOL */
		int choice;		  /* KEY_CHOICE */
		uint64_t number;	  /* KEY_SIZE, _COUNT, _TIME, _CPUS; KEY_CAPS: bits */
		const char *text;	  /* KEY_STRING, KEY_TEMPLATE */
		const char *const *names; /* KEY_NAMES */
		void *entries;		  /* KEY_TABLE: the first, or NULL */
	};
};

struct value_list {
	struct config_value *items;
	size_t count;
};

struct rule {
	struct pattern_list match;
	struct value_list values;
};

struct config {
	struct pattern_list covers, exempt;
	struct value_list defaults; /* the built-in ones, in the table's order, then what the files say */
	struct rule *rules;
	size_t rule_count;
	struct config_chunk *chunks; /* every string and list of names above */
};

/* Reading, with where its errors go. */
struct config_reader {
	struct config *config;
	void (*report)(void *arg, const char *message);
	void *arg;
	struct carrel_error *err;
	int result; /* 0, or the -errno of the first error */
};

/* --- config.c --- */

/* A config with every built-in default and nothing else. NULL: out of memory. */
struct config *config_new(struct carrel_error *err);

/* Memory that lives as long as the config, zeroed. NULL: out of memory. */
void *config_alloc(struct config *config, size_t size);
char *config_strdup(struct config *config, const char *text);

/* Append a copy to a list. 0 or -ENOMEM. A rule's own lists then belong to the config. */
int config_add_value(struct value_list *list, const struct config_value *value);
int config_add_pattern(struct pattern_list *list, const struct pattern *pattern);
int config_add_rule(struct config *config, const struct rule *rule);
void config_clear_rule(struct rule *rule);

/* Record one error. With a line, "FILE:LINE: " is put in front. */
void config_fail(struct config_reader *reader, int code, const char *file, unsigned line, const char *fmt,
		 ...) __attribute__((format(printf, 5, 6)));

/* --- config_parse.c --- */

/*
 * Parse and validate the text of one file (`length` bytes and a NUL) and add it to reader->config. Errors
 * go to the reader. `file` is what messages and origins call it.
 */
void config_parse_text(struct config_reader *reader, const char *file, const char *text, size_t length);

/* One file being read. */
struct source {
	struct config_reader *reader;
	const char *file; /* belongs to the config */
};

#define FAIL(src, setting, ...) \
	config_fail((src)->reader, EINVAL, (src)->file, config_setting_source_line(setting), __VA_ARGS__)

/* A scalar's text, or NULL after an error. */
struct config_setting_t;
const char *config_scalar_text(struct source *src, const struct config_key *key,
			       const struct config_setting_t *setting);

/* --- config_table.c --- */

/* Read a KEY_TABLE into value->entries. False after an error. */
bool config_read_table(struct source *src, const struct config_setting_t *setting,
		       struct config_value *value);

/* --- config_file.c --- */

/* Read the main file and its conf.d, each checked, into the reader, whose result is -ENOENT without a main file. */
void config_read_files(struct config_reader *reader, const char *path);

/* --- config_keys.c --- */

/* The index of a key, wherever it is allowed, or config_keys_count. `group` may be NULL. */
size_t config_key_find(const char *group, const char *name);

/* --- config_place.c --- */

/* A part of a file in which settings stand. */
enum level { LEVEL_TOP, LEVEL_DEFAULTS, LEVEL_RULE };

struct place {
	enum level level;
	const char *group; /* "limits", … or NULL */
};

/* The index of the key of this name here, or config_keys_count. */
size_t place_find_key(const struct place *place, const char *name);

/* Whether `name` is a group of settings here: the table's copy of the name, or NULL. */
const char *place_find_group(const struct place *place, const char *name);

/* What may have been meant by an unknown name: one that is allowed here, else "limits.memory" elsewhere. Or NULL. */
const char *place_nearest(const struct place *place, const char *name, char buf[CONFIG_LABEL_MAX]);

/* Where a known name belongs: "inside limits = { ... }". NULL: it is not known. */
const char *place_of(const char *name, char buf[CONFIG_LABEL_MAX]);

/* --- config_value.c --- */

/* Set `value` (but for its key and origin) from a scalar's text. -EINVAL, and a message without FILE:LINE. */
int config_value_from_text(const struct config_key *key, const char *text, struct config_value *value,
			   struct carrel_error *err);

/* Put a value to its key's place in `target`: struct policy, or an entry of a table. A KEY_TEMPLATE is not for this. */
void config_value_store(const struct config_key *key, const struct config_value *value, void *target);

/* Check one word of a KEY_NAMES or KEY_CAPS; for KEY_CAPS, add it to value->number. Likewise. */
int config_value_add_name(size_t key, const char *name, struct config_value *value, struct carrel_error *err);

/* The value of every key when no file says anything. */
int config_value_fallback(struct config *config, size_t key, struct config_value *value,
			  struct carrel_error *err);

/* --- pattern.c --- */

/* Fill `pattern` (but for its origin); it borrows `text`. -EINVAL, and a message without FILE:LINE. */
int pattern_parse(const char *text, struct pattern *pattern, struct carrel_error *err);

bool pattern_matches(const struct pattern *pattern, const struct user_facts *user);

#endif
