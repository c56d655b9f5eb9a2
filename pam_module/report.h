/*
 * report.h - what the module says: one line to the log, one to the user.
 *
 * Not pam_syslog: syslog(3) keeps its socket open in the program that loaded us (sshd's user process is
 * a fork of that program) and waits for ever for a syslog daemon that is stuck. This opens a socket of its own,
 * waits a tenth of a second at most, and touches neither openlog's settings nor the descriptors.
 */
#ifndef CARREL_PAM_REPORT_H
#define CARREL_PAM_REPORT_H

#include <security/pam_modules.h>
#include <syslog.h> /* LOG_ERR and the other priorities */

/*
 * Log "pam_carrel(SERVICE:session): message" in the name of the running program, facility authpriv, as
 * pam_syslog would. What is not printable becomes '?'. Failures are ignored: nobody is left to tell.
 */
void report_log(const pam_handle_t *pamh, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Show `line` to the user through the conversation, unless `flags` has PAM_SILENT. */
void report_user(pam_handle_t *pamh, int flags, const char *line);

#endif
