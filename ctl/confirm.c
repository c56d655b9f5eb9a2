/* confirm.c - asking before something is lost. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl.h"

int ctl_confirm(const struct ctl_args *args, const char *user, const char *what)
{
	char answer[16] = "";

	if (args->options & CTL_YES)
		return CTL_DONE;
	if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return ctl_usage("this loses data and there is no terminal to ask on: say --yes");
	fprintf(stderr, "user '%s': %s Go on? [y/N] ", user, what);
	(void)fflush(stderr);
	if (!fgets(answer, sizeof(answer), stdin) ||
	    (strcmp(answer, "y\n") != 0 && strcmp(answer, "yes\n") != 0)) {
		ctl_error("nothing was changed");
		return CTL_FAILED;
	}
	return CTL_DONE;
}
