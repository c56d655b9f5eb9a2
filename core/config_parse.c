/*
 * config_parse.c - the text of one policy file: libconfig's tree, checked against the table of keys.
 *
 * Goes on after an error, so that `carrelctl check` can name them all. What is added to the config of a
 * file with errors is never used: the reader's result says so.
 */
#include "config_internal.h"

#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "text.h"

static void fail_unknown(struct source *src, const struct place *place, const config_setting_t *setting)
{
	const char *name = config_setting_name(setting);
	char buf[CONFIG_LABEL_MAX];
	const char *where = place_of(name, buf);
	const char *near = where ? NULL : place_nearest(place, name, buf);

	if (where)
		FAIL(src, setting, "setting '%.64s' belongs %s", name, where);
	else if (near)
		FAIL(src, setting, "unknown setting '%.64s' (did you mean '%s'?)", name, near);
	else
		FAIL(src, setting, "unknown setting '%.64s'", name);
}

/* --- values --- */

/* Put FILE:LINE before what a check said. */
static void fail_with(struct source *src, const config_setting_t *setting, const struct carrel_error *err)
{
	config_fail(src->reader, err->code, src->file, config_setting_source_line(setting), "%s", err->msg);
}

static void out_of_memory(struct source *src)
{
	config_fail(src->reader, ENOMEM, NULL, 0, "out of memory");
}

static bool is_listing(const config_setting_t *setting)
{
	return config_setting_is_array(setting) || config_setting_is_list(setting);
}

/* A scalar's text, or NULL after an error. Numbers are strings: libconfig 1.5 cuts large ones off silently. */
const char *config_scalar_text(struct source *src, const struct config_key *key,
			       const config_setting_t *setting)
{
	const char *example = key->fallback ? key->fallback : "/srv/data"; /* only paths have no default */
	char label[CONFIG_LABEL_MAX];

	config_key_label(key, label);
	if (key->type == KEY_BOOL) {
		if (config_setting_type(setting) == CONFIG_TYPE_BOOL)
			return config_setting_get_bool(setting) ? "true" : "false";
		FAIL(src, setting, "'%s' must be true or false, without quotes", label);
	} else if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
		return config_setting_get_string(setting);
	} else if (config_setting_is_number(setting)) {
		FAIL(src, setting, "'%s' is not a string: write it with quotes, for example \"%s\"", label,
		     example);
	} else {
		FAIL(src, setting, "'%s' must be a string, for example \"%s\"", label, example);
	}
	return NULL;
}

/* The strings of a list, each checked. */
static bool read_names(struct source *src, const config_setting_t *setting, struct config_value *value)
{
	const struct config_key *key = &config_keys[value->key];
	int length = is_listing(setting) ? config_setting_length(setting) : -1;
	char label[CONFIG_LABEL_MAX];
	bool good = true;

	if (length < 0) {
		FAIL(src, setting, "'%s' must be a list of strings: [ \"...\", \"...\" ]",
		     config_key_label(key, label));
		return false;
	}
	const char **names = config_alloc(src->reader->config, ((size_t)length + 1) * sizeof(*names));
	for (int i = 0; names && i < length; i++) {
		const config_setting_t *item = config_setting_get_elem(setting, (unsigned)i);
		const char *text = config_setting_get_string(item);
		struct carrel_error why;

		if (!text) {
			FAIL(src, item, "'%s' must hold strings only", config_key_label(key, label));
			good = false;
		} else if (config_value_add_name(value->key, text, value, &why)) {
			fail_with(src, item, &why);
			good = false;
		} else if (!(names[i] = config_strdup(src->reader->config, text))) {
			names = NULL;
		}
	}
	if (!names) {
		out_of_memory(src);
		return false;
	}
	if (key->type == KEY_NAMES)
		value->names = names;
	return good;
}

static bool read_scalar(struct source *src, const config_setting_t *setting, struct config_value *value)
{
	const struct config_key *key = &config_keys[value->key];
	const char *text = config_scalar_text(src, key, setting);
	struct carrel_error why;

	if (!text)
		return false;
	if (config_value_from_text(key, text, value, &why)) {
		fail_with(src, setting, &why);
		return false;
	}
	if (key->type == KEY_STRING || key->type == KEY_TEMPLATE) {
		value->text = config_strdup(src->reader->config, text);
		if (!value->text)
			out_of_memory(src);
		return value->text != NULL;
	}
	return true;
}

static void read_value(struct source *src, const config_setting_t *setting, size_t key,
		       struct value_list *values)
{
	struct config_value value = { .key = key };

	value.origin.file = src->file;
	value.origin.line = config_setting_source_line(setting);
	enum key_type type = config_keys[key].type;
	bool (*read)(struct source *, const config_setting_t *, struct config_value *) = read_scalar;
	if (type == KEY_NAMES || type == KEY_CAPS)
		read = read_names;
	else if (type == KEY_TABLE)
		read = config_read_table;
	if (read(src, setting, &value) && config_add_value(values, &value))
		out_of_memory(src);
}

static void read_pattern(struct source *src, const config_setting_t *setting, const char *what,
			 struct pattern_list *list)
{
	const char *text = config_setting_get_string(setting);
	struct pattern pattern = { .origin = { src->file, config_setting_source_line(setting) } };
	struct carrel_error why;

	if (!text) {
		FAIL(src, setting, "'%s' must hold strings only", what);
		return;
	}
	char *kept = config_strdup(src->reader->config, text);
	if (kept && pattern_parse(kept, &pattern, &why))
		config_fail(src->reader, why.code, src->file, pattern.origin.line, "'%s': %s", what, why.msg);
	else if (!kept || config_add_pattern(list, &pattern))
		out_of_memory(src);
}

static void read_patterns(struct source *src, const config_setting_t *setting, struct pattern_list *list)
{
	const char *what = config_setting_name(setting);

	if (!is_listing(setting)) {
		FAIL(src, setting, "'%s' must be a list of strings: [ \"@group\", \"name\" ]", what);
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++)
		read_pattern(src, config_setting_get_elem(setting, (unsigned)i), what, list);
}

/* --- groups, rules, the whole --- */

static void read_settings(struct source *src, const struct place *place, const config_setting_t *group,
			  struct value_list *values);

/* One member of defaults, of a rule, or of a group inside them. */
static void read_setting(struct source *src, const struct place *place, const config_setting_t *setting,
			 struct value_list *values)
{
	const char *name = config_setting_name(setting);
	const struct place inner = { place->level, place_find_group(place, name) };
	size_t key = place_find_key(place, name);

	if (inner.group && config_setting_is_group(setting))
		read_settings(src, &inner, setting, values);
	else if (inner.group)
		FAIL(src, setting, "'%s' must be a group of settings: { ... }", name);
	else if (key < config_keys_count)
		read_value(src, setting, key, values);
	else
		fail_unknown(src, place, setting);
}

static void read_settings(struct source *src, const struct place *place, const config_setting_t *group,
			  struct value_list *values)
{
	for (int i = 0; i < config_setting_length(group); i++)
		read_setting(src, place, config_setting_get_elem(group, (unsigned)i), values);
}

static void read_match(struct source *src, const config_setting_t *setting, struct pattern_list *match)
{
	if (config_setting_type(setting) == CONFIG_TYPE_STRING) {
		read_pattern(src, setting, "match", match);
		return;
	}
	read_patterns(src, setting, match);
	if (is_listing(setting) && config_setting_length(setting) == 0)
		FAIL(src, setting, "'match' is empty: the rule could never apply");
}

static void read_rule(struct source *src, const config_setting_t *group)
{
	static const struct place place = { LEVEL_RULE, NULL };
	struct rule rule = { 0 };
	bool matched = false;

	if (!config_setting_is_group(group)) {
		FAIL(src, group, "a rule must be a group of settings: { match = \"...\"; ... }");
		return;
	}
	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);

		if (strcmp(config_setting_name(setting), "match") == 0) {
			matched = true;
			read_match(src, setting, &rule.match);
		} else {
			read_setting(src, &place, setting, &rule.values);
		}
	}
	if (!matched)
		FAIL(src, group, "a rule needs a 'match' that says to whom it applies");
	if (config_add_rule(src->reader->config, &rule)) {
		out_of_memory(src);
		config_clear_rule(&rule);
	}
}

static void read_rules(struct source *src, const config_setting_t *setting)
{
	if (!config_setting_is_list(setting)) {
		FAIL(src, setting, "'rules' must be a list of groups: ( { match = \"...\"; ... }, ... )");
		return;
	}
	for (int i = 0; i < config_setting_length(setting); i++)
		read_rule(src, config_setting_get_elem(setting, (unsigned)i));
}

static void read_top(struct source *src, const config_setting_t *setting)
{
	static const struct place top = { LEVEL_TOP, NULL }, defaults = { LEVEL_DEFAULTS, NULL };
	struct config *config = src->reader->config;
	const char *name = config_setting_name(setting);
	size_t key = place_find_key(&top, name);

	if (strcmp(name, "rules") == 0)
		read_rules(src, setting);
	else if (strcmp(name, "defaults") == 0 && config_setting_is_group(setting))
		read_settings(src, &defaults, setting, &config->defaults);
	else if (strcmp(name, "defaults") == 0)
		FAIL(src, setting, "'defaults' must be a group of settings: { ... }");
	else if (key == config_keys_count)
		fail_unknown(src, &top, setting);
	else if (config_keys[key].type == KEY_PATTERNS)
		read_patterns(src, setting, strcmp(name, "covers") == 0 ? &config->covers : &config->exempt);
	else
		read_value(src, setting, key, &config->defaults);
}

/* --- text to tree --- */

/*
 * libconfig takes the end of the text for the end of a comment or string that was left open, and so would
 * ignore whatever the comment swallowed. This setting, put after the text, must come out as the last.
 */
#define END_MARK "carrel-end-of-file"

#define BYTE_ORDER_MARK "\xef\xbb\xbf" /* of UTF-8 */

/*
 * Things libconfig accepts and a policy must not have: a NUL, at which it stops reading, and its directive
 * that opens another file. libconfig knows the directive at the start of a line only. And a byte order mark, which
 * nobody sees: to libconfig it is a syntax error.
 */
static bool text_is_acceptable(struct source *src, const char *text, size_t length, unsigned *lines)
{
	bool good = true;

	*lines = 1;
	if (strncmp(text, BYTE_ORDER_MARK, strlen(BYTE_ORDER_MARK)) == 0) {
		config_fail(src->reader, EINVAL, src->file, 1,
			    "the file begins with a byte order mark: save it without one");
		good = false;
	}
	for (const char *line = text;;) {
		const char *word = line + strspn(line, " \t\r\f\v"), *end = strchr(line, '\n');

		if (strncmp(word, "@include", strlen("@include")) == 0) {
			config_fail(src->reader, EINVAL, src->file, *lines,
				    "'@include' is not allowed (put further files into conf.d)");
			good = false;
		}
		if (!end)
			break;
		line = end + 1;
		*lines += *line != '\0';
	}
	if (strlen(text) != length) {
		config_fail(src->reader, EINVAL, src->file, *lines, "there is a NUL character in the file");
		good = false;
	}
	return good;
}

/* The tree of a text that has the mark behind its `lines` lines, or false after an error. */
static bool parse_tree(struct source *src, const char *marked, unsigned lines, config_t *tree)
{
	if (!config_read_string(tree, marked)) {
		unsigned line = (unsigned)config_error_line(tree);
		const char *text = config_error_text(tree) ? config_error_text(tree) : "syntax error";

		/* Nothing is wrong before the mark: what it stands in was not closed. */
		if (line > lines && strcmp(text, "syntax error") == 0)
			text = "the file ends within a setting: is a string or a bracket not closed?";
		config_fail(src->reader, EINVAL, src->file, line && line < lines ? line : lines, "%s", text);
		return false;
	}
	const config_setting_t *root = config_root_setting(tree);
	int last = config_setting_length(root) - 1;
	const config_setting_t *mark = last < 0 ? NULL : config_setting_get_elem(root, (unsigned)last);
	if (mark && strcmp(config_setting_name(mark), END_MARK) == 0 &&
	    config_setting_source_line(mark) > lines)
		return true;
	config_fail(src->reader, EINVAL, src->file, lines, "a comment or a string is not closed");
	return false;
}

static void read_tree(struct source *src, const char *marked, unsigned lines)
{
	config_t tree;

	config_init(&tree);
	if (parse_tree(src, marked, lines, &tree)) {
		const config_setting_t *root = config_root_setting(&tree);

		for (int i = 0; i < config_setting_length(root) - 1; i++)
			read_top(src, config_setting_get_elem(root, (unsigned)i));
	}
	config_destroy(&tree);
}

void config_parse_text(struct config_reader *reader, const char *file, const char *text, size_t length)
{
	static const char mark[] = "\n" END_MARK "=true;\n";
	struct source src = { reader, config_strdup(reader->config, file) };
	unsigned lines;

	char *marked = malloc(length + sizeof(mark));
	if (!marked || !src.file) {
		out_of_memory(&src);
	} else if (text_is_acceptable(&src, text, length, &lines)) {
		memcpy(marked, text, length);
		memcpy(marked + length, mark, sizeof(mark));
		read_tree(&src, marked, lines);
	}
	free(marked);
}
