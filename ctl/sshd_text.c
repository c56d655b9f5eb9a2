/* sshd_text.c - see sshd_text.h. The reasons are those of config/sshd_config.d/50-carrel.conf. */
#include "sshd_text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"

const struct sshd_setting sshd_settings[] = {
	{ "usepam", "yes", "UsePAM", true, DOCTOR_PROBLEM,
	  "without it there is no sandbox, and carrel-shell refuses everybody", "UsePAM yes in sshd_config" },
	{ "permituserenvironment", "no", "PermitUserEnvironment", true, DOCTOR_PROBLEM,
	  "~/.ssh/environment can be written from inside and would be that of programs on the host",
	  "PermitUserEnvironment no in sshd_config" },
	{ "allowstreamlocalforwarding", "no", "AllowStreamLocalForwarding", false, DOCTOR_PROBLEM,
	  "the path of a socket is not of a network: forwards reach the host's sockets", SSHD_DROP_IN },
	{ "streamlocalbindunlink", "no", "StreamLocalBindUnlink", false, DOCTOR_PROBLEM,
	  "forwards could remove sockets on the host", SSHD_DROP_IN },
	{ "permittunnel", "no", "PermitTunnel", false, DOCTOR_PROBLEM, "ssh -w makes a network device",
	  SSHD_DROP_IN },
	{ "gatewayports", "no", "GatewayPorts", false, DOCTOR_WARNING,
	  "-R listens for others than the sandbox itself", SSHD_DROP_IN },
	{ "x11uselocalhost", "yes", "X11UseLocalhost", false, DOCTOR_WARNING,
	  "X11 forwarding listens for others than the sandbox itself", SSHD_DROP_IN },
	{ "permittty", "yes", "PermitTTY", false, DOCTOR_WARNING, "users get no terminal", SSHD_DROP_IN },
	{ NULL, NULL, NULL, false, DOCTOR_OK, NULL, NULL },
};

/* The value of the line at `line` if it is of this setting, not ended; else NULL. */
static const char *value_at(const char *line, const char *name)
{
	size_t length = strlen(name);

	return strncmp(line, name, length) == 0 && line[length] == ' ' ? line + length + 1 : NULL;
}

static const char *next_line(const char *line)
{
	line += strcspn(line, "\n");
	return line + (*line == '\n');
}

const char *sshd_value(const char *text, const char *name, char *out, size_t size)
{
	*out = '\0';
	for (const char *line = text; *line; line = next_line(line)) {
		const char *value = value_at(line, name);
		if (!value)
			continue;
		(void)snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
		break;
	}
	return out;
}

bool sshd_accepts_too_much(const char *text, char *out, size_t size)
{
	static const char *const harmful[] = { "LD_PRELOAD", "LD_LIBRARY_PATH",
					       "LD_AUDIT",   "BASH_ENV",
					       "ENV",	     "PATH",
					       "SHELLOPTS",  "GCONV_PATH" };

	for (const char *line = text; *line; line = next_line(line)) {
		const char *value = value_at(line, "acceptenv");
		if (!value)
			continue;
		(void)snprintf(out, size, "%.*s", (int)strcspn(value, "\n"), value);
		for (size_t i = 0; i < ARRAY_SIZE(harmful); i++)
			if (fnmatch(out, harmful[i], 0) == 0)
				return true;
	}
	return false;
}

bool sshd_has_internal_sftp(const char *text)
{
	for (const char *line = text; *line; line = next_line(line)) {
		const char *value = value_at(line, "subsystem");
		const char *command = value ? strchr(value, ' ') : NULL;
		if (command && command < next_line(line) && strncmp(command + 1, "internal-sftp", 13) == 0)
			return true;
	}
	return false;
}
