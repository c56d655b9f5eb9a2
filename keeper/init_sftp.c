/* init_sftp.c - see init_sftp.h. */
#include "init_sftp.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"

#define BUNDLED "/usr/lib/carrel/bin/sftp-server" /* in SFTP_BUNDLE_BIN */

/* What the sshd of Debian, Fedora, Alpine, Arch and the BSDs are configured to start, and where it lies inside. */
static const char *const paths[] = {
	"/usr/lib/ssh/sftp-server", "/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server",
	"/usr/libexec/sftp-server", "/usr/lib/sftp-server",	    BUNDLED,
};

static int is_sftp(const char *command, size_t length)
{
	static const char internal[] = "internal-sftp";

	if (length == sizeof(internal) - 1 && strncmp(command, internal, length) == 0)
		return 1;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		if (strlen(paths[i]) == length && strncmp(command, paths[i], length) == 0)
			return 1;
	return 0;
}

int sftp_command(const char *command, char *buf, size_t size)
{
	size_t length = strcspn(command, " ");

	if (!is_sftp(command, length))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		if (access(paths[i], X_OK) < 0)
			continue;
		int r = text_format(buf, size, "exec %s%s", paths[i], command + length);
		return r < 0 ? r : 1;
	}
	return -ENOENT;
}
