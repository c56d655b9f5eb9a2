/*
 * seccomp.c - see seccomp.h. Runs in init, as root of the session's user namespace.
 *
 * The program is compiled when Carrel is built, so all that is left for a login is one system call.
 */
#include "seccomp.h"

#include <linux/seccomp.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "seccomp_filter.h"

/*
 * No flags, each for a reason:
 * SPEC_ALLOW    Before Linux 5.16 loading a filter also turned speculation features off, which made interpreters
 *               up to twice as slow, and container engines pass this flag to be spared. Carrel needs 5.19, where that
 *               happens only if the administrator booted with spec_store_bypass_disable=seccomp or
 *               spectre_v2_user=seccomp. Who asked for it shall have it: the flag would overrule them.
 * LOG           Every refused call would be a line in the host's log, written at the user's will.
 * TSYNC         Init has one thread.
 */
#define NO_FLAGS 0u

int seccomp_load(struct carrel_error *err)
{
	const struct sock_fprog program = {
		.len = ARRAY_SIZE(seccomp_filter),
		.filter = (struct sock_filter *)seccomp_filter, /* only read */
	};

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, NO_FLAGS, &program) != 0)
		return error_errno(err, "cannot load the system-call filter");
	return 0;
}
