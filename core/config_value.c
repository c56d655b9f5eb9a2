/*
 * config_value.c - one value of the policy: text to type, ranges, choices. Pure, but for memory.
 */
#include "config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

#include "text.h"
#include "units.h"

#define CAP_NAME_MAX 40

/* How a type is called in "must be …", with an example. */
static const char *describe_type(enum key_type type)
{
	switch (type) {
	case KEY_BOOL:
		return "true or false, without quotes";
	case KEY_SIZE:
		return "a size such as \"512M\"";
	case KEY_COUNT:
		return "a number such as \"256\"";
	case KEY_TIME:
		return "a time such as \"90s\" or \"12h\"";
	case KEY_CPUS:
		return "a number of CPUs such as \"1.5\"";
	default:
		return "a string";
	}
}

static char *format_number(enum key_type type, uint64_t number, char *buf, size_t size)
{
	switch (type) {
	case KEY_TIME:
		return unit_format_time(buf, size, number);
	case KEY_CPUS:
		return unit_format_cpus(buf, size, number);
	default:
		return unit_format_size(buf, size, number);
	}
}

static int parse_number(enum key_type type, const char *text, uint64_t *number)
{
	switch (type) {
	case KEY_TIME:
		return unit_parse_time(text, number);
	case KEY_CPUS:
		return unit_parse_cpus(text, number);
	default:
		return unit_parse_size(text, number);
	}
}

static int set_number(const struct config_key *key, const char *text, uint64_t *number,
		      struct carrel_error *err)
{
	char label[CONFIG_LABEL_MAX], low[32], high[32];
	const char *or_none = key->can_be_none ? ", or \"max\"" : "";

	config_key_label(key, label);
	int r = parse_number(key->type, text, number);
	if (!r && *number == UNIT_NONE && key->can_be_none)
		return 0;
	if (r == -EINVAL || (!r && *number == UNIT_NONE))
		return error_set(err, EINVAL, "'%s' must be %s%s, not \"%.64s\"", label,
				 describe_type(key->type), or_none, text);
	if (r || *number < key->min || *number > key->max)
		return error_set(err, EINVAL, "'%s' must be between \"%s\" and \"%s\"%s, not \"%.64s\"",
				 label, format_number(key->type, key->min, low, sizeof(low)),
				 format_number(key->type, key->max, high, sizeof(high)), or_none, text);
	return 0;
}

static int set_choice(const struct config_key *key, const char *text, int *choice, struct carrel_error *err)
{
	char label[CONFIG_LABEL_MAX], list[128] = "";
	size_t used = 0;

	config_key_label(key, label);
	for (int i = 0; key->choices[i]; i++) {
		bool refused = key->unavailable_choices & (1u << i);

		if (strcmp(text, key->choices[i]) == 0) {
			*choice = i;
			if (!refused)
				return 0;
			return error_set(err, EINVAL, "'%s': \"%s\" is not available in this version", label,
					 text);
		}
		if (!refused && used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s\"%s\"",
						 used ? " or " : "", key->choices[i]);
	}
	return error_set(err, EINVAL, "'%s' must be %s, not \"%.64s\"", label, list, text);
}

int config_value_from_text(const struct config_key *key, const char *text, struct config_value *value,
			   struct carrel_error *err)
{
	const char *wrong = key->check ? key->check(text) : NULL;
	char label[CONFIG_LABEL_MAX];

	switch (key->type) {
	case KEY_BOOL:
		value->flag = strcmp(text, "true") == 0;
		if (!value->flag && strcmp(text, "false") != 0)
			return error_set(err, EINVAL, "'%s' must be %s", config_key_label(key, label),
					 describe_type(key->type));
		return 0;
	case KEY_CHOICE:
		return set_choice(key, text, &value->choice, err);
	case KEY_SIZE:
	case KEY_COUNT:
	case KEY_TIME:
	case KEY_CPUS:
		return set_number(key, text, &value->number, err);
	default:
		if (wrong)
			return error_set(err, EINVAL, "'%s' %s, not \"%.64s\"", config_key_label(key, label),
					 wrong, text);
		value->text = text;
		return 0;
	}
}

static int add_capability(const char *name, uint64_t *bits, struct carrel_error *err)
{
	char full[CAP_NAME_MAX];
	cap_value_t number;
	const char *rest = strncasecmp(name, "cap_", 4) == 0 ? name + 4 : name;

	/* cap_from_name stops at the first character that no name has, and takes what was before it. */
	if (rest[strspn(rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_")] != '\0' ||
	    text_format(full, sizeof(full), "cap_%s", rest) || cap_from_name(full, &number) || number < 0 ||
	    number > 63)
		return error_set(err, EINVAL, "unknown capability '%.64s' (capabilities(7) lists them)",
				 name);
	*bits |= 1ull << number;
	return 0;
}

int config_value_add_name(size_t key_index, const char *name, struct config_value *value,
			  struct carrel_error *err)
{
	const struct config_key *key = &config_keys[key_index];
	const char *wrong = key->check ? key->check(name) : NULL;
	char label[CONFIG_LABEL_MAX];

	if (key->type == KEY_CAPS)
		return add_capability(name, &value->number, err);
	if (wrong)
		return error_set(err, EINVAL, "'%s' %s: \"%.64s\"", config_key_label(key, label), wrong,
				 name);
	return 0;
}

/* Words separated by blanks, as the table writes a list. */
static int set_words(struct config *config, struct config_value *value, struct carrel_error *err)
{
	char *words = config_strdup(config, config_keys[value->key].fallback);
	/* Each word but the last takes two bytes or more of the text. */
	const char **names = words ? config_alloc(config, (strlen(words) / 2 + 2) * sizeof(*names)) : NULL;
	size_t count = 0;
	char *rest = NULL;

	if (!names)
		return error_set(err, ENOMEM, "out of memory");
	for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
		int r = config_value_add_name(value->key, word, value, err);
		if (r)
			return r;
		names[count++] = word;
	}
	if (config_keys[value->key].type == KEY_NAMES)
		value->names = names;
	return 0;
}

int config_value_fallback(struct config *config, size_t key, struct config_value *value,
			  struct carrel_error *err)
{
	memset(value, 0, sizeof(*value));
	value->key = key;
	switch (config_keys[key].type) {
	case KEY_NAMES:
	case KEY_CAPS:
		return set_words(config, value, err);
	case KEY_TABLE:
	case KEY_PATTERNS:
		return 0;
	default:
		return config_value_from_text(&config_keys[key], config_keys[key].fallback, value, err);
	}
}

void config_value_store(const struct config_key *key, const struct config_value *value, void *target)
{
	char *at = (char *)target + key->offset;

	switch (key->type) {
	case KEY_BOOL:
		memcpy(at, &value->flag, sizeof(value->flag));
		break;
	case KEY_CHOICE:
		memcpy(at, &value->choice, sizeof(value->choice));
		break;
	case KEY_SIZE:
	case KEY_COUNT:
	case KEY_TIME:
	case KEY_CPUS:
	case KEY_CAPS:
		memcpy(at, &value->number, sizeof(value->number));
		break;
	case KEY_STRING:
		memcpy(at, &value->text, sizeof(value->text));
		break;
	case KEY_NAMES:
		memcpy(at, &value->names, sizeof(value->names));
		break;
	case KEY_TABLE:
		memcpy(at, &value->entries, sizeof(value->entries));
		break;
	case KEY_TEMPLATE:
	case KEY_PATTERNS:
		break;
	}
}
