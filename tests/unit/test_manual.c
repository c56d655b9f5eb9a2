/* test_manual.c - docs/man/carrel.conf.5 has every key where it belongs, with its default. Run in the repository. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/config_internal.h"

#define PAGE "docs/man/carrel.conf.5"

static bool starts_with(const char *line, const char *word)
{
	return strncmp(line, word, strlen(word)) == 0;
}

/* Whether `name` is one of the words of a line. */
static bool has_word(const char *line, const char *name)
{
	size_t length = strlen(name);

	for (line += strspn(line, " ,\n"); *line; line += strspn(line, " ,\n")) {
		size_t word = strcspn(line, " ,\n");
		if (word == length && strncmp(line, name, length) == 0)
			return true;
		line += word;
	}
	return false;
}

/*
 * Whether a line is in the section of a group: ".Ss limits = { ... }", and those of SETTINGS OF DEFAULTS AND RULES that are not
 * of a group, or SETTINGS OF A FILE, for a key without one.
 */
static void enter_section(const char *line, const struct config_key *key, bool *inside)
{
	if (starts_with(line, ".Sh"))
		*inside = !key->group && starts_with(line, key->top_level ? ".Sh SETTINGS OF A FILE"
									  : ".Sh SETTINGS OF DEFAULTS");
	else if (starts_with(line, ".Ss") && key->group)
		*inside = starts_with(line + 4, key->group) && has_word(line, "{");
	else if (starts_with(line, ".Ss") && strchr(line, '{'))
		*inside = false;
}

/*
 * Copy what the page says of a key to `text`: its item, whose head has its name. A level may have "as above" for a key of
 * limits, in the lines before its list: then true, and an empty text. False: the key is nowhere.
 */
static bool find_item(const struct config_key *key, char *text, size_t size)
{
	bool inside = false, in_item = false, above = false;
	_cleanup_file_ FILE *page = fopen(PAGE, "re");
	int lists = 0; /* an item of an inner list is a field of a table */
	char line[512];

	assert_non_null(page);
	*text = '\0';
	while (fgets(line, sizeof(line), page)) {
		bool item = starts_with(line, ".It") && lists == 1;

		enter_section(line, key, &inside);
		lists += starts_with(line, ".Bl") - starts_with(line, ".El");
		if (in_item && (item || lists == 0))
			return true;
		in_item |= inside && item && has_word(line + 3, "Cm") && has_word(line + 3, key->name);
		above |= inside && lists == 0 && key->group && strcmp(key->group, "limits") != 0 &&
			 starts_with(line, ".Cm ") && has_word(line, key->name);
		if (in_item) {
			size_t used = strlen(text);
			assert_in_range(snprintf(text + used, size - used, "%s", line), 0, size - used - 1);
		}
	}
	return above;
}

/* "The default is true", "\(dq512M\(dq"; not that something is without limit, for which there are many words. */
static bool has_default(const struct config_key *key, const char *text)
{
	char quoted[80];

	if (!*text || !*key->fallback || key->type == KEY_CAPS || strcmp(key->fallback, "max") == 0)
		return true;
	snprintf(quoted, sizeof(quoted), key->type == KEY_BOOL ? "default is %s." : "\\(dq%s\\(dq",
		 key->fallback);
	for (const char *c = text; *c; c++) {
		const char *want = quoted;
		for (const char *d = c; *want && (*d == *want || (*d == '\n' && *want == ' ')); d++)
			want++;
		if (!*want)
			return true;
	}
	return false;
}

static void every_key(void **state)
{
	char text[4096], label[CONFIG_LABEL_MAX];

	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		if (!find_item(key, text, sizeof(text)))
			fail_msg(PAGE " has no item of %s where it belongs", config_key_label(key, label));
		if (!has_default(key, text))
			fail_msg(PAGE " does not have the default of %s, '%s'", config_key_label(key, label),
				 key->fallback);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
