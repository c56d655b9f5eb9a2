/* host_home.c - see host_home.h. */
#include "host_home.h"

#include <stddef.h>

const struct host_home_door host_home_doors[] = {
	{ ".config/systemd/user",
	  "systemd --user starts the units in it, at a login or for good with lingering",
	  "mask user@.service, or loginctl disable-linger and no pam_systemd for these users" },
	{ ".forward", "a mail server runs the programs that it pipes to",
	  "allow_mail_to_commands in Postfix, or the like" },
	{ ".procmailrc", "procmail runs what it says", "deliver without procmail" },
	{ ".ssh/rc", "sshd runs it", "PermitUserRC no" },
	{ ".ssh/environment", "sshd puts it into the environment of carrel-shell",
	  "PermitUserEnvironment no" },
	{ ".pam_environment", "pam_env with user_readenv=1 puts it into the environment of carrel-shell",
	  "no user_readenv" },
	{ ".profile", "a login shell of the host reads it, as it does .bashrc, .zshrc and .login",
	  "no other login shell than carrel-shell, also for su" },
	{ NULL, "jobs of the user in cron or at may run files of the home on the host",
	  "cron.deny, at.deny" },
	{ NULL, NULL, NULL },
};
