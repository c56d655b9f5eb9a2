/*
 * pam_carrel.c - pam_carrel.so, the PAM session module. See pam_carrel(8).
 *
 * Runs as root inside whatever opens the session: sshd's monitor, login, su, cron. It decides nothing: it
 * gathers the facts, starts carrel-keeper, waits a bounded time for the one answer and turns that into one PAM code
 * and one line in the log. It never exits, keeps no globals, and leaves the process as it was, apart from
 * CARREL_SESSION in the PAM environment and, when the keeper hands it over, the network namespace.
 */
#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <security/pam_modules.h>
#include <security/pam_modutil.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/covered.h"
#include "core/module_arguments.h"
#include "core/paths.h"
#include "keeper_call.h"
#include "netns.h"
#include "report.h"

#define ID_MAX	     24 /* "4294967295-0123abcd" and the NUL */
#define SESSION_DATA "carrel_session"
#define SESSION_ENV  "CARREL_SESSION"
#define SORRY	     "carrel: your session could not be started; please tell the administrator"

/* What a handle remembers from a successful open to its close. */
struct session {
	char id[ID_MAX]; /* "" once closed */
	struct netns_home home;
};

/* One call of an entry point. */
struct login {
	pam_handle_t *pamh;
	int flags;
	const char *user;
	const struct passwd *pw;
	struct module_arguments arguments;
	const char *bad_argument;  /* the first one that is unknown or malformed */
	int64_t started, deadline; /* clock_ms() */
};

static void parse_arguments(struct login *login, int argc, const char **argv)
{
	login->arguments = MODULE_ARGUMENTS_DEFAULT;
	for (int i = 0; i < argc; i++) {
		if (!module_argument_read(&login->arguments, argv[i]) && !login->bad_argument)
			login->bad_argument = argv[i];
	}
	login->deadline = login->started + login->arguments.timeout * 1000;
}

static int refuse(const struct login *login, const char *user_line, const char *log_line)
{
	report_log(login->pamh, LOG_ERR, "session for user %s refused: %s", login->user,
		   *log_line ? log_line : user_line);
	report_user(login->pamh, login->flags, *user_line ? user_line : SORRY);
	return PAM_SESSION_ERR;
}

/* The keeper has not said anything usable about this user. */
static int decide_without_keeper(const struct login *login, const char *reason)
{
	if (seems_covered(login->pw->pw_uid, login->pw->pw_shell))
		return refuse(login, SORRY, reason);
	report_log(login->pamh, LOG_WARNING, "user %s is let through, having no sandbox: %s", login->user,
		   reason);
	return PAM_IGNORE;
}

/* Whose session this is: user is never NULL, pw is when there is no such user. */
static void look_up_user(struct login *login)
{
	const void *user = NULL;

	login->started = clock_ms();
	(void)pam_get_item(login->pamh, PAM_USER, &user);
	login->user = user ? user : "";
	login->pw = pam_modutil_getpwnam(login->pamh, login->user);
}

/* By name too, for the day when the user database cannot be read. */
static bool is_root(const struct login *login)
{
	return login->pw ? login->pw->pw_uid == 0 : strcmp(login->user, "root") == 0;
}

/* The one gate before an ID becomes part of a path: "<uid>-<8 lower-case hex digits>", and of this user. */
static bool id_is_valid(const char *id, uid_t uid)
{
	char prefix[16];
	int n = snprintf(prefix, sizeof(prefix), "%u-", uid);

	return strncmp(id, prefix, (size_t)n) == 0 && strlen(id) == (size_t)n + 8 &&
	       strspn(id + n, "0123456789abcdef") == 8;
}

static const char *item(const struct login *login, int type)
{
	const void *value = NULL;

	if (pam_get_item(login->pamh, type, &value) != PAM_SUCCESS || !value)
		return "";
	return value;
}

/* Ask the keeper for a session: the command line of core/wire.h, section 1. */
static void ask_to_open(const struct login *login, struct keeper_answer *answer)
{
	char timeout[16];
	const struct {
		const char *option, *value;
	} options[] = {
		{ "--conf=", login->arguments.conf },	    { "--timeout=", timeout },
		{ "--service=", item(login, PAM_SERVICE) }, { "--rhost=", item(login, PAM_RHOST) },
		{ "--tty=", item(login, PAM_TTY) },
	};
	const char *argv[ARRAY_SIZE(options) + 5] = { "carrel-keeper", "open", login->user };
	char text[2 * PATH_MAX];
	size_t argc = 3, used = 0;

	snprintf(timeout, sizeof(timeout), "%d", login->arguments.timeout);
	for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
		if (!*options[i].value)
			continue;
		int n = snprintf(text + used, sizeof(text) - used, "%s%s", options[i].option,
				 options[i].value);
		if (n < 0 || (size_t)n >= sizeof(text) - used) {
			keeper_failed(answer, "the arguments for the keeper are too long", 0);
			return;
		}
		argv[argc++] = text + used;
		used += (size_t)n + 1;
	}
	if (login->arguments.debug)
		argv[argc++] = "--debug";
	keeper_ask(argv, login->deadline, answer);
}

static void free_session(pam_handle_t *pamh, void *data, int status)
{
	free(data);
}

static void leave_network(const struct login *login, struct session *session)
{
	if (netns_leave(&session->home) < 0)
		report_log(login->pamh, LOG_WARNING, "cannot leave the network of session %s", session->id);
}

/* Have the session removed, come back from its network, and forget it when nothing of it is left. */
static int end_session(const struct login *login, struct session *session, char *why, size_t size)
{
	/* Before the keeper is asked: while we live in the namespace, it cannot go away. */
	leave_network(login, session);
	int r = keeper_end(session->id, login->deadline, why, size);
	if (r == 0) {
		session->id[0] = '\0';
		/* A name without '=' is removed. */
		(void)pam_putenv(login->pamh, SESSION_ENV);
	}
	return r;
}

/* Make the rest of the login belong to the session. On failure `why` says what could not be done. */
static int adopt_session(const struct login *login, struct session *session, int netns_fd, char *why,
			 size_t size)
{
	char variable[sizeof(SESSION_ENV) + ID_MAX];

	snprintf(variable, sizeof(variable), SESSION_ENV "=%s", session->id);
	if (pam_putenv(login->pamh, variable) != PAM_SUCCESS) {
		snprintf(why, size, "cannot set " SESSION_ENV);
		return -ENOMEM;
	}
	int r = netns_fd < 0 ? 0 : netns_join(netns_fd, &session->home);
	if (r < 0)
		snprintf(why, size, "cannot join the session's network: %s", strerror(-r));
	return r;
}

/* The sandbox is up. */
static int enter_session(const struct login *login, const struct keeper_answer *answer)
{
	char why[256], end_why[256];

	if (!id_is_valid(answer->detail, login->pw->pw_uid))
		return refuse(login, SORRY, "the keeper's session has no valid name");
	struct session *session = calloc(1, sizeof(*session));
	if (!session || pam_set_data(login->pamh, SESSION_DATA, session, free_session) != PAM_SUCCESS) {
		/* The keeper ends the session with this process. */
		free(session);
		return refuse(login, SORRY, "cannot remember the session: out of memory");
	}
	snprintf(session->id, sizeof(session->id), "%s", answer->detail);
	if (adopt_session(login, session, answer->netns_fd, why, sizeof(why)) < 0) {
		if (end_session(login, session, end_why, sizeof(end_why)) < 0)
			report_log(login->pamh, LOG_WARNING, "session %s is not removed yet: %s", session->id,
				   end_why);
		return refuse(login, SORRY, why);
	}
	report_log(login->pamh, LOG_INFO, "session %s for user %s opened in %d ms", session->id, login->user,
		   (int)(clock_ms() - login->started));
	return PAM_SUCCESS;
}

int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login login = { .pamh = pamh, .flags = flags };
	struct keeper_answer answer = { .netns_fd = -EBADF };

	look_up_user(&login);
	/* Before anything that can fail: root can always log in. */
	if (is_root(&login))
		return PAM_IGNORE;
	/* Whoever this is, it may be a covered user whose directory server is away. */
	if (!login.pw)
		return refuse(&login, SORRY, "there is no such user");
	parse_arguments(&login, argc, argv);
	if (login.arguments.leave)
		return PAM_IGNORE; /* another line opens the session */
	if (login.bad_argument) {
		char reason[256];
		snprintf(reason, sizeof(reason), "unknown or malformed module argument '%s'",
			 login.bad_argument);
		return decide_without_keeper(&login, reason);
	}
	ask_to_open(&login, &answer);
	_cleanup_close_ int netns_fd = answer.netns_fd;
	switch (answer.word) {
	case KEEPER_READY:
		return enter_session(&login, &answer);
	case KEEPER_IGNORE:
		if (login.arguments.debug)
			report_log(pamh, LOG_DEBUG, "user %s is not covered: %s", login.user, answer.detail);
		return PAM_IGNORE;
	case KEEPER_REFUSE:
		return refuse(&login, answer.detail, answer.log);
	case KEEPER_FAILED:
		return decide_without_keeper(&login, answer.log);
	default:
		return decide_without_keeper(&login, "the keeper's answer makes no sense here");
	}
}

/*
 * The session to close: what open remembered, else, for a program that closes with another handle, what the PAM
 * environment names, if it is one of this user's. NULL: there is none. `spare` is for the second case.
 */
static struct session *find_session(const struct login *login, struct session *spare)
{
	const void *data = NULL;

	if (pam_get_data(login->pamh, SESSION_DATA, &data) == PAM_SUCCESS && data)
		return (struct session *)data;
	const char *id = pam_getenv(login->pamh, SESSION_ENV);
	if (!id || !login->pw || is_root(login) || !id_is_valid(id, login->pw->pw_uid))
		return NULL;
	*spare = (struct session){ 0 };
	snprintf(spare->id, sizeof(spare->id), "%s", id);
	return spare;
}

/*
 * "leave", on a line of its own above all others: libpam closes in the order of the file, and modules between it and the one
 * that opened the session would run as root in the network of the sandbox, where the user is who answers.
 */
static int leave_first(const struct login *login)
{
	const void *data = NULL;

	if (pam_get_data(login->pamh, SESSION_DATA, &data) == PAM_SUCCESS && data)
		leave_network(login, (struct session *)data);
	return PAM_IGNORE;
}

int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
	struct login login = { .pamh = pamh, .flags = flags };
	struct session spare;
	char id[ID_MAX], why[256];

	/* A user who was removed meanwhile still has a session to close. */
	look_up_user(&login);
	/* A wrong argument has been reported by open, and is no reason to leave a session behind. */
	parse_arguments(&login, argc, argv);
	if (login.arguments.leave)
		return leave_first(&login);
	struct session *session = find_session(&login, &spare);
	if (!session)
		return PAM_IGNORE;
	if (!session->id[0])
		return PAM_SUCCESS;
	snprintf(id, sizeof(id), "%s", session->id);
	if (end_session(&login, session, why, sizeof(why)) < 0) {
		report_log(pamh, LOG_ERR, "session %s for user %s cannot be closed: %s", id, login.user, why);
		return PAM_SESSION_ERR;
	}
	report_log(pamh, LOG_INFO, "session %s for user %s closed in %d ms", id, login.user,
		   (int)(clock_ms() - login.started));
	return PAM_SUCCESS;
}
