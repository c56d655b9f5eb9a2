/*
 * error.h - the one error object.
 *
 * A function of core/ returns 0 (or a value >= 0) on success and -errno on failure; on failure it
 * has filled the struct carrel_error it was given, once, where the error happened. Callers may put
 * context in front on the way out. Each program reports the message once, at its edge.
 *
 * Messages: lower case, no full stop, names in quotes: "cannot open '/etc/x': No such file".
 */
#ifndef CARREL_ERROR_H
#define CARREL_ERROR_H

#define CARREL_ERROR_MAX 512

struct carrel_error {
	int code;		    /* positive errno */
	char msg[CARREL_ERROR_MAX]; /* one line, never empty after a failure */
};

/* Record `code` (a positive errno) with a message. Returns -code. `err` may be NULL. */
int error_set(struct carrel_error *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* As error_set with the current errno, and ": <strerror>" after the message. Returns -errno. */
int error_errno(struct carrel_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put "<context>: " in front of a message already recorded. Returns -err->code. */
int error_context(struct carrel_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
