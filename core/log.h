/*
 * log.h - one line to syslog, for the edge of a program (core/ itself never logs); and the kernel's own log.
 *
 * A datagram to /dev/log. A syslog daemon that is busy is waited for, for a moment: one that is stuck must not hold up a login.
 */
#ifndef CARREL_LOG_H
#define CARREL_LOG_H

#include <stdarg.h>
#include <syslog.h> /* LOG_ERR and the other priorities */

/*
 * Send "<tag>[pid]: message" with facility authpriv. What does not fit in 1 KiB is cut off, what is
 * not printable is escaped. Waits 300 ms at most. Failures are ignored: there is nobody left to tell.
 */
void log_send(const char *tag, int priority, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same of a text that has been escaped, and is sent as it is. */
void log_escaped(const char *tag, int priority, const char *text);

/* The socket that log_send sends to: a descriptor, which never blocks and is the caller's, or -errno. Nothing is sent. */
int log_connect(void);

/* The kernel's log, from here on: a descriptor, which never blocks and is the caller's, or -errno. */
int log_open_kernel(void);

#endif
