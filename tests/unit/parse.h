/* parse.h - a policy from a string, for the tests: config_parse_text with every error kept. */
#ifndef TESTS_PARSE_H
#define TESTS_PARSE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "core/config_internal.h"

/* What was reported, each with '\n' after it. */
struct errors {
	char text[16384];
	size_t count;
	struct carrel_error first;
};

static inline void keep_error(void *arg, const char *message)
{
	struct errors *errors = arg;
	size_t used = strlen(errors->text);

	snprintf(errors->text + used, sizeof(errors->text) - used, "%s\n", message);
	errors->count++;
}

static inline void free_config_p(struct config **config)
{
	config_free(*config);
}
#define _cleanup_config_ _cleanup_(free_config_p)

/* A config with `text` in it as file "f", and what was wrong with it. */
static inline struct config *parse_bytes(const char *text, size_t length, struct errors *errors)
{
	struct config_reader reader = { .report = keep_error, .arg = errors, .err = &errors->first };

	memset(errors, 0, sizeof(*errors));
	reader.config = config_new(&errors->first);
	assert_non_null(reader.config);
	config_parse_text(&reader, "f", text, length);
	assert_int_equal(reader.result != 0, errors->count != 0);
	return reader.config;
}

static inline struct config *parse(const char *text, struct errors *errors)
{
	return parse_bytes(text, strlen(text), errors);
}

static inline struct config *parse_good(const char *text)
{
	struct errors errors;
	struct config *config = parse(text, &errors);

	assert_string_equal(errors.text, "");
	return config;
}

/* `text` has exactly these errors. */
static inline void assert_errors(const char *text, const char *expected)
{
	struct errors errors;
	_cleanup_config_ struct config *config = parse(text, &errors);

	assert_non_null(config);
	assert_string_equal(errors.text, expected);
}

#endif
