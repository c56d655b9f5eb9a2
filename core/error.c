/* error.c - see error.h. Used by every process; touches nothing outside the object it is given. */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct carrel_error *err, int code, const char *fmt, ...)
{
	if (!err)
		return -code;
	va_list ap;
	va_start(ap, fmt);
	err->code = code;
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return -code;
}

int error_errno(struct carrel_error *err, const char *fmt, ...)
{
	int code = errno ? errno : EIO;

	if (!err)
		return -code;
	char what[CARREL_ERROR_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	return error_set(err, code, "%.380s: %.120s", what, strerror(code));
}

int error_context(struct carrel_error *err, const char *fmt, ...)
{
	if (!err)
		return -EIO;
	char before[CARREL_ERROR_MAX / 2];
	char msg[CARREL_ERROR_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(before, sizeof(before), fmt, ap);
	va_end(ap);
	memcpy(msg, err->msg, sizeof(msg));
	return error_set(err, err->code, "%s: %.250s", before, msg);
}
