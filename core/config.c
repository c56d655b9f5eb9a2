/*
 * config.c - the policy files as a whole: see config.h. Run as root by the keeper, on every login, and by
 * carrelctl; opens files and nothing else.
 */
#include "config_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "array.h"
#include "cleanup.h"
#include "text.h"

/* --- memory that lives as long as the config --- */

struct config_chunk {
	struct config_chunk *next;
	max_align_t data[];
};

void *config_alloc(struct config *config, size_t size)
{
	struct config_chunk *chunk = calloc(1, sizeof(*chunk) + size);

	if (!chunk)
		return NULL;
	chunk->next = config->chunks;
	config->chunks = chunk;
	return chunk->data;
}

char *config_strdup(struct config *config, const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = config_alloc(config, size);

	return copy ? memcpy(copy, text, size) : NULL;
}

int config_add_value(struct value_list *list, const struct config_value *value)
{
	return array_append(&list->items, &list->count, value, sizeof(*value));
}

int config_add_pattern(struct pattern_list *list, const struct pattern *pattern)
{
	return array_append(&list->items, &list->count, pattern, sizeof(*pattern));
}

int config_add_rule(struct config *config, const struct rule *rule)
{
	return array_append(&config->rules, &config->rule_count, rule, sizeof(*rule));
}

void config_clear_rule(struct rule *rule)
{
	free(rule->match.items);
	free(rule->values.items);
	memset(rule, 0, sizeof(*rule));
}

void config_free(struct config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->rule_count; i++)
		config_clear_rule(&config->rules[i]);
	free(config->rules);
	free(config->covers.items);
	free(config->exempt.items);
	free(config->defaults.items);
	for (struct config_chunk *chunk = config->chunks, *next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
	free(config);
}

struct config *config_new(struct carrel_error *err)
{
	struct config *config = calloc(1, sizeof(*config));

	for (size_t i = 0; config && i < config_keys_count; i++) {
		struct config_value value;

		if (config_value_fallback(config, i, &value, err))
			goto fail;
		if (config_add_value(&config->defaults, &value))
			goto no_memory;
	}
	if (config)
		return config;
no_memory:
	error_set(err, ENOMEM, "out of memory");
fail:
	config_free(config);
	return NULL;
}

/* --- errors --- */

void config_fail(struct config_reader *reader, int code, const char *file, unsigned line, const char *fmt,
		 ...)
{
	char where[CARREL_ERROR_MAX] = "", what[CARREL_ERROR_MAX], message[CARREL_ERROR_MAX];
	va_list ap;

	if (line)
		snprintf(where, sizeof(where), "%.200s:%u: ", file, line);
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(where + strlen(where), sizeof(where) - strlen(where), "%s", what);
	/* Text of a file is in it: a terminal or a log must not obey it. */
	text_escape(message, sizeof(message), where);
	if (!reader->result)
		reader->result = error_set(reader->err, code, "%s", message);
	if (reader->report)
		reader->report(reader->arg, message);
}

/* --- the whole --- */

int config_load(const char *path, struct config **config, void (*report)(void *arg, const char *message),
		void *arg, struct carrel_error *err)
{
	struct config_reader reader = { .report = report, .arg = arg, .err = err };

	*config = NULL;
	reader.config = config_new(err);
	if (!reader.config)
		return -ENOMEM;
	config_read_files(&reader, path);
	if (reader.result) {
		config_free(reader.config);
		return reader.result;
	}
	*config = reader.config;
	return 0;
}
