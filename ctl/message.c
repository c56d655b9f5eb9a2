/* message.c - lines on stderr: see ctl.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "ctl.h"

#define MESSAGE_MAX (CARREL_ERROR_MAX + 256)

/* Names come from files, archives and arguments, so nothing goes to a terminal unescaped. */
static void say(const char *kind, const char *fmt, va_list ap)
{
	char message[MESSAGE_MAX], safe[4 * MESSAGE_MAX];

	vsnprintf(message, sizeof(message), fmt, ap);
	fprintf(stderr, "carrelctl: %s%s\n", kind, text_escape(safe, sizeof(safe), message));
}

void ctl_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

void ctl_warning(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("warning: ", fmt, ap);
	va_end(ap);
}

int ctl_fail(const struct carrel_error *err)
{
	ctl_error("%s", err->msg);
	return CTL_FAILED;
}

int ctl_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
	return CTL_USAGE;
}

int ctl_flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	ctl_error("cannot write the output: %s", strerror(errno));
	return status == CTL_DONE ? CTL_FAILED : status;
}
