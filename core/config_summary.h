/*
 * config_summary.h - what is in a config as a whole, for `carrelctl check`.
 */
#ifndef CARREL_CONFIG_SUMMARY_H
#define CARREL_CONFIG_SUMMARY_H

#include <stddef.h>

#include "config.h"
#include "policy.h"

struct config_summary {
	size_t covers, exempt; /* patterns */
	size_t rules;
	const char *mode; /* as the config writes it */
};

void config_summarize(const struct config *config, struct config_summary *summary);

/*
 * Call `visit` for every value of the string setting `name` (of defaults and rules) that can become
 * effective: the last one in defaults, be it built in, and that of every rule. Stops when it returns non-zero, and
 * returns that.
 */
int config_each_string(const struct config *config, const char *name,
		       int (*visit)(void *arg, const char *text, const struct origin *origin), void *arg);

/* Call `visit` for every user ("name") and group ("@name") that `covers`, `exempt` and the rules' `match` name, in this order. */
void config_each_name(const struct config *config,
		      void (*visit)(void *arg, const char *key, const char *text,
				    const struct origin *origin),
		      void *arg);

#endif
