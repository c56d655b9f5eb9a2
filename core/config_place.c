/*
 * config_place.c - which names are settings where, and what was probably meant by one that is none. Pure.
 */
#include "config_internal.h"

#include <string.h>

#include "text.h"

/* Every key, its group's name for each, the words below, and NULL. */
#define NAMES_MAX (2 * CONFIG_KEYS_MAX + 3)

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool key_is_allowed(const struct config_key *key, const struct place *place)
{
	return key->top_level == (place->level == LEVEL_TOP) &&
	       (!key->rules_only || place->level == LEVEL_RULE);
}

size_t place_find_key(const struct place *place, const char *name)
{
	size_t i = 0;

	for (; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (key_is_allowed(key, place) && same_text(key->group, place->group) &&
		    strcmp(key->name, name) == 0)
			break;
	}
	return i;
}

const char *place_find_group(const struct place *place, const char *name)
{
	for (size_t i = 0; i < config_keys_count && !place->group; i++) {
		const struct config_key *key = &config_keys[i];

		if (key->group && key_is_allowed(key, place) && strcmp(key->group, name) == 0)
			return key->group;
	}
	return NULL;
}

/* Words that are no keys of the table. */
static const char *const words_of_level[][3] = {
	[LEVEL_TOP] = { "defaults", "rules", NULL },
	[LEVEL_DEFAULTS] = { NULL },
	[LEVEL_RULE] = { "match", NULL },
};

/* The names that are allowed here, NULL-terminated. */
static void list_names(const struct place *place, const char *names[NAMES_MAX])
{
	size_t count = 0;

	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (!key_is_allowed(key, place))
			continue;
		if (same_text(key->group, place->group))
			names[count++] = key->name;
		else if (key->group && !place->group)
			names[count++] = key->group;
	}
	for (const char *const *word = words_of_level[place->level]; *word && !place->group; word++)
		names[count++] = *word;
	names[count] = NULL;
}

const char *place_nearest(const struct place *place, const char *name, char buf[CONFIG_LABEL_MAX])
{
	const char *names[NAMES_MAX];

	list_names(place, names);
	const char *near = text_nearest(name, names);
	if (near)
		return near;
	for (size_t i = 0; i < config_keys_count; i++)
		names[i] = config_keys[i].name;
	names[config_keys_count] = NULL;
	near = text_nearest(name, names);
	for (size_t i = 0; near && i < config_keys_count; i++) {
		if (config_keys[i].name == near)
			return config_key_label(&config_keys[i], buf);
	}
	return NULL;
}

const char *place_of(const char *name, char buf[CONFIG_LABEL_MAX])
{
	static const struct place rule = { LEVEL_RULE, NULL };

	if (strcmp(name, "match") == 0)
		return "inside a rule";
	if (strcmp(name, "rules") == 0 || strcmp(name, "defaults") == 0)
		return "at the top of the file";
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		if (strcmp(key->name, name) != 0)
			continue;
		if (key->top_level)
			return "at the top of the file";
		if (!key->group)
			return "inside defaults = { ... } or a rule";
		return text_format(buf, CONFIG_LABEL_MAX, "inside %s = { ... }", key->group) ? NULL : buf;
	}
	if (!place_find_group(&rule, name))
		return NULL;
	return strcmp(name, "group_limits") == 0 ? "inside a rule" : "inside defaults = { ... } or a rule";
}
