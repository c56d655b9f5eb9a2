/* doctor_sshd.c - what sshd, which is outside the sandbox, does by itself for a user: see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/nss.h"
#include "core/paths.h"
#include "core/program.h"
#include "core/text.h"
#include "doctor.h"
#include "sshd_text.h"

#define SSHD_TIMEOUT_MS 10000

/* `user` NULL: what is set for everybody. An address of nobody's (RFC 5737): a Match by address is not seen. */
static int ask_sshd(const char *user, char *text, size_t size, struct carrel_error *err)
{
	char program[PROGRAM_PATH_MAX], test[] = "-T", of[] = "-C", who[256];
	char *argv[] = { program, test, user ? of : NULL, who, NULL };

	if (program_find("sshd", program) < 0) /* it insists on being called by its path */
		return error_set(err, ENOENT, "there is no program 'sshd'");
	if (user &&
	    text_format(who, sizeof(who), "user=%s,host=host.invalid,addr=192.0.2.1,laddr=192.0.2.2,lport=22",
			user) < 0)
		return error_set(err, ENAMETOOLONG, "the name is too long");
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	return root < 0 ? error_errno(err, "cannot open '/'")
			: program_read(argv, root, SSHD_TIMEOUT_MS, text, size, err);
}

static void judge(struct doctor *d, const char *text, bool global)
{
	char value[256];

	for (const struct sshd_setting *s = sshd_settings; s->name; s++) {
		if (s->global != global ||
		    strcmp(sshd_value(text, s->name, value, sizeof(value)), s->wanted) == 0)
			continue;
		doctor_note(d, s->result, s->remedy, "%s is '%s': %s", s->option, value, s->why);
	}
}

void doctor_sshd(struct doctor *d)
{
	static char text[32768];
	struct carrel_error err = { 0 };
	size_t before = d->count;

	int r = ask_sshd(NULL, text, sizeof(text), &err);
	if (r == -ENOENT) {
		doctor_note(d, DOCTOR_WARNING, "", "there is no sshd to look at");
	} else if (r != 0 && strstr(err.msg, "privilege separation directory")) {
		doctor_note(d, DOCTOR_WARNING, "start sshd, which makes the directory, and run this again",
			    "sshd's settings could not be looked at: %s", err.msg);
	} else if (r != 0) {
		doctor_note(d, DOCTOR_PROBLEM, "sshd -t", "%s", err.msg);
	} else {
		judge(d, text, true);
		if (d->count == before)
			doctor_ok(d, "what is set for everybody is right");
	}
}

/* Without it sshd itself serves files of the host, be it that Subsystem or a key in ~/.ssh asks for it. */
static void check_forced_command(struct doctor *d, const struct doctor_user *user)
{
	char value[256];
	bool own_shell = strcmp(user->facts.shell, CARREL_SHELL) == 0;

	sshd_value(user->sshd_text, "forcecommand", value, sizeof(value));
	if (strcmp(value, CARREL_SHELL) == 0)
		return;
	if (!own_shell && user->policy.forced_command_ok)
		doctor_note(d, DOCTOR_PROBLEM, SSHD_DROP_IN,
			    "ForceCommand is '%s' and forced_command_ok is true: logins get the shell "
			    "'%.100s', on the "
			    "host",
			    value, user->facts.shell);
	else
		doctor_note(d, DOCTOR_PROBLEM, SSHD_DROP_IN,
			    "ForceCommand is '%s' and not " CARREL_SHELL
			    ": internal-sftp, which %s, serves files of the host",
			    value,
			    sshd_has_internal_sftp(user->sshd_text) ? "Subsystem names"
								    : "a key in ~/.ssh can name");
}

static void check_covered(struct doctor *d, const struct doctor_user *user)
{
	char value[256];
	bool own_shell = strcmp(user->facts.shell, CARREL_SHELL) == 0;

	check_forced_command(d, user);
	judge(d, user->sshd_text, false);
	if (strcmp(sshd_value(user->sshd_text, "permituserrc", value, sizeof(value)), "no") != 0)
		doctor_note(d, own_shell ? DOCTOR_WARNING : DOCTOR_PROBLEM, SSHD_DROP_IN,
			    "PermitUserRC is '%s': ~/.ssh/rc can be written from inside%s", value,
			    own_shell ? "" : ", and sshd runs it on the host");
	if (sshd_accepts_too_much(user->sshd_text, value, sizeof(value)))
		doctor_note(d, DOCTOR_WARNING, SSHD_DROP_IN,
			    "AcceptEnv has '%s': it lets in variables that act on programs which sshd runs "
			    "on the host",
			    value);
	if (user->policy.forwarding == FORWARDING_SANDBOX && !nss_is_local(value, sizeof(value)) &&
	    strcmp(sshd_value(user->sshd_text, "allowtcpforwarding", value, sizeof(value)), "no") != 0)
		doctor_note(d, DOCTOR_PROBLEM,
			    "AllowTcpForwarding no in the drop-in, or sss in nsswitch.conf",
			    "sshd does not join the sandbox's network, and AllowTcpForwarding is '%s': "
			    "forwards reach "
			    "the host's",
			    value);
}

/* Who is not covered, or not yet, needs a shell of the host. */
static void check_uncovered(struct doctor *d, const struct doctor_user *user)
{
	char value[256];

	sshd_value(user->sshd_text, "forcecommand", value, sizeof(value));
	if (strcmp(value, CARREL_SHELL) == 0)
		doctor_note(d, DOCTOR_PROBLEM, "have the Match line of the drop-in leave them out",
			    "locked out: not sandboxed, and ForceCommand is " CARREL_SHELL
			    ", which does nothing without a sandbox");
}

void doctor_user_sshd(struct doctor *d, struct doctor_user *user)
{
	struct carrel_error err = { 0 };
	size_t before = d->count;

	d->what = "sshd";
	user->has_sshd = ask_sshd(user->facts.name, user->sshd_text, sizeof(user->sshd_text), &err) == 0;
	if (!user->has_sshd)
		return; /* which doctor_sshd has said */
	if (user->policy.covered && user->policy.mode == MODE_ENFORCE)
		check_covered(d, user);
	else
		check_uncovered(d, user);
	if (d->count == before)
		doctor_ok(d, "what holds for them is right");
}
