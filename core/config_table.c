/*
 * config_table.c - a setting that is a list of groups: io = ( { device = "/dev/vda"; read = "10M"; }, … ).
 */
#include "config_internal.h"

#include <errno.h>
#include <libconfig.h>
#include <string.h>

#include "text.h"

#define FIELDS_MAX 16

static const struct config_key *find_field(const struct config_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->fields[i].name, name) == 0)
			return &table->fields[i];
	return NULL;
}

static void fail_unknown(struct source *src, const struct config_table *table,
			 const config_setting_t *setting)
{
	const char *names[FIELDS_MAX + 1] = { NULL };

	for (size_t i = 0; i < table->count && i < FIELDS_MAX; i++)
		names[i] = table->fields[i].name;
	const char *near = text_nearest(config_setting_name(setting), names);
	if (near)
		FAIL(src, setting, "unknown setting '%.64s' (did you mean '%s'?)",
		     config_setting_name(setting), near);
	else
		FAIL(src, setting, "unknown setting '%.64s'", config_setting_name(setting));
}

/* Text of the file is libconfig's, and goes with it. */
static bool keep_text(struct source *src, const struct config_key *field, struct config_value *value)
{
	if (field->type != KEY_STRING)
		return true;
	value->text = config_strdup(src->reader->config, value->text);
	if (!value->text)
		config_fail(src->reader, ENOMEM, NULL, 0, "out of memory");
	return value->text != NULL;
}

static bool read_field(struct source *src, const struct config_table *table, const config_setting_t *setting,
		       void *entry)
{
	const struct config_key *field = find_field(table, config_setting_name(setting));
	struct config_value value = { 0 };
	struct carrel_error why;

	if (!field) {
		fail_unknown(src, table, setting);
		return false;
	}
	const char *text = config_scalar_text(src, field, setting);
	if (!text)
		return false;
	if (config_value_from_text(field, text, &value, &why)) {
		FAIL(src, setting, "%s", why.msg);
		return false;
	}
	if (!keep_text(src, field, &value))
		return false;
	config_value_store(field, &value, entry);
	return true;
}

static void set_fallbacks(const struct config_table *table, void *entry)
{
	for (size_t i = 0; i < table->count; i++) {
		struct config_value value = { 0 };

		if (table->fields[i].fallback &&
		    config_value_from_text(&table->fields[i], table->fields[i].fallback, &value, NULL) == 0)
			config_value_store(&table->fields[i], &value, entry);
	}
}

/* NULL after an error. */
static void *read_entry(struct source *src, const struct config_key *key, const config_setting_t *group)
{
	const struct config_table *table = key->table;
	char label[CONFIG_LABEL_MAX];
	bool good = true;

	if (!config_setting_is_group(group)) {
		FAIL(src, group, "'%s' must be a list of groups: ( { ... }, { ... } )",
		     config_key_label(key, label));
		return NULL;
	}
	char *entry = config_alloc(src->reader->config, table->entry_size);
	if (!entry) {
		config_fail(src->reader, ENOMEM, NULL, 0, "out of memory");
		return NULL;
	}
	set_fallbacks(table, entry);
	for (int i = 0; i < config_setting_length(group); i++)
		good &= read_field(src, table, config_setting_get_elem(group, (unsigned)i), entry);
	const char *wrong = good ? table->check(entry) : NULL;
	if (wrong)
		FAIL(src, group, "each of '%s' %s", config_key_label(key, label), wrong);
	return good && !wrong ? entry : NULL;
}

bool config_read_table(struct source *src, const config_setting_t *setting, struct config_value *value)
{
	const struct config_key *key = &config_keys[value->key];
	const struct config_table *table = key->table;
	char label[CONFIG_LABEL_MAX];
	void **last = &value->entries;
	bool good = true;

	if (!config_setting_is_list(setting) && !config_setting_is_array(setting)) {
		FAIL(src, setting, "'%s' must be a list of groups: ( { ... }, { ... } )",
		     config_key_label(key, label));
		return false;
	}
	if ((size_t)config_setting_length(setting) > table->most) {
		FAIL(src, setting, "'%s' has more than %zu entries", config_key_label(key, label),
		     table->most);
		return false;
	}
	for (int i = 0; i < config_setting_length(setting); i++) {
		char *entry = read_entry(src, key, config_setting_get_elem(setting, (unsigned)i));

		good &= entry != NULL;
		if (!entry)
			continue;
		*last = entry;
		last = (void **)(void *)(entry + table->next);
	}
	return good;
}
