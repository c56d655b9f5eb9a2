/*
 * module_arguments.h - what may stand behind pam_carrel.so in a PAM service (pam_carrel(8), "Options").
 *
 * The module reads it, and `carrelctl doctor` looks whether it could. Here, because the module is linked with nothing of core.
 */
#ifndef CARREL_MODULE_ARGUMENTS_H
#define CARREL_MODULE_ARGUMENTS_H

#include <stdbool.h>
#include <string.h>

#include "paths.h"

#define MODULE_TIMEOUT_DEFAULT 10 /* seconds */
#define MODULE_TIMEOUT_MAX     300

struct module_arguments {
	const char *conf; /* of the caller's argument */
	int timeout;	  /* seconds */
	bool debug;
	bool leave;
};

#define MODULE_ARGUMENTS_DEFAULT                                       \
	(struct module_arguments)                                      \
	{                                                              \
		.conf = CARREL_CONF, .timeout = MODULE_TIMEOUT_DEFAULT \
	}

static inline bool module_timeout_read(const char *text, int *seconds)
{
	int value = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9' || value > MODULE_TIMEOUT_MAX)
			return false;
		value = value * 10 + (*p - '0');
	}
	if (value < 1 || value > MODULE_TIMEOUT_MAX)
		return false;
	*seconds = value;
	return true;
}

/* Take over one argument. false: it is unknown or malformed, and nothing is changed. */
static inline bool module_argument_read(struct module_arguments *arguments, const char *argument)
{
	if (strncmp(argument, "conf=/", 6) == 0)
		arguments->conf = argument + 5;
	else if (strncmp(argument, "timeout=", 8) == 0)
		return module_timeout_read(argument + 8, &arguments->timeout);
	else if (strcmp(argument, "debug") == 0)
		arguments->debug = true;
	else if (strcmp(argument, "leave") == 0)
		arguments->leave = true;
	else
		return false;
	return true;
}

#endif
