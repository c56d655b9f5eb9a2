/* report.c - see report.h. Runs inside the program that opened the PAM session. */
#include "report.h"

#include <errno.h>
#include <security/pam_ext.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "core/cleanup.h"

#define SYSLOG_LINE_MAX 1200

/* ASCII only: what the line is shown on may take anything else for a command. */
static void replace_unprintable(char *text)
{
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			*text = '?';
	}
}

void report_log(const pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	char message[1024], line[SYSLOG_LINE_MAX];
	const void *service = NULL;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	replace_unprintable(message);
	pam_get_item(pamh, PAM_SERVICE, &service);
	int size = snprintf(line, sizeof(line), "<%d>%.32s[%d]: pam_carrel(%.64s:session): %s",
			    LOG_AUTHPRIV | priority, program_invocation_short_name, getpid(),
			    service ? (const char *)service : "?", message);

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un to = { .sun_family = AF_UNIX, .sun_path = "/dev/log" };
	struct timeval patience = { .tv_usec = 100000 };
	if (fd < 0 || size < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) < 0)
		return;
	(void)sendto(fd, line, strlen(line), MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to));
}

void report_user(pam_handle_t *pamh, int flags, const char *line)
{
	char text[512];

	if (flags & PAM_SILENT)
		return;
	snprintf(text, sizeof(text), "%s", line);
	replace_unprintable(text);
	pam_error(pamh, "%s", text);
}
