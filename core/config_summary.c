/* config_summary.c - see config_summary.h. Pure. */
#include "config_summary.h"

#include <string.h>

#include "config_internal.h"

static size_t key_index(const char *name)
{
	size_t i = 0;

	while (i < config_keys_count && (config_keys[i].group || strcmp(config_keys[i].name, name) != 0))
		i++;
	return i;
}

/* The last one counts, as in a policy. */
static const struct config_value *find_value(const struct value_list *list, size_t key)
{
	const struct config_value *found = NULL;

	for (size_t i = 0; i < list->count; i++) {
		if (list->items[i].key == key)
			found = &list->items[i];
	}
	return found;
}

void config_summarize(const struct config *config, struct config_summary *summary)
{
	size_t key = key_index("mode");
	const struct config_value *mode = find_value(&config->defaults, key);

	*summary = (struct config_summary){
		.covers = config->covers.count,
		.exempt = config->exempt.count,
		.rules = config->rule_count,
		.mode = mode ? config_keys[key].choices[mode->choice] : config_keys[key].fallback,
	};
}

int config_each_string(const struct config *config, const char *name,
		       int (*visit)(void *arg, const char *text, const struct origin *origin), void *arg)
{
	size_t key = key_index(name);
	const struct config_value *value = find_value(&config->defaults, key);
	int r = value ? visit(arg, value->text, &value->origin) : 0;

	for (size_t i = 0; r == 0 && i < config->rule_count; i++) {
		value = find_value(&config->rules[i].values, key);
		if (value)
			r = visit(arg, value->text, &value->origin);
	}
	return r;
}

static void
each_name(const struct pattern_list *list, const char *key,
	  void (*visit)(void *arg, const char *key, const char *text, const struct origin *origin), void *arg)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct pattern *pattern = &list->items[i];
		if (pattern->kind == PATTERN_USER || pattern->kind == PATTERN_GROUP)
			visit(arg, key, pattern->text, &pattern->origin);
	}
}

void config_each_name(const struct config *config,
		      void (*visit)(void *arg, const char *key, const char *text,
				    const struct origin *origin),
		      void *arg)
{
	each_name(&config->covers, "covers", visit, arg);
	each_name(&config->exempt, "exempt", visit, arg);
	for (size_t i = 0; i < config->rule_count; i++)
		each_name(&config->rules[i].match, "match", visit, arg);
}
