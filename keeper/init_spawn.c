/*
 * init_spawn.c - see init_spawn.h. Run by init and, after the fork, by the process that becomes the command.
 *
 * become_user() is the list of what a command starts with; its order is the order in which rights are needed.
 */
#include "init_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ask.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "init.h"
#include "init_forward.h"
#include "init_sftp.h"
#include "rootfs.h"
#include "self_service.h"

#define ENV_MAX	 128
#define ENV_MADE 10 /* all of build_env and add_x11 */
#define TTY_GID	 5

static const char path_root[] =
	"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:" SFTP_BUNDLE_BIN;
static const char path_user[] = "/usr/local/bin:/usr/bin:/bin:" SFTP_BUNDLE_BIN;

/* What may come in beside the policy's own list. init is the gate: carrel-shell is the user's process. */
static const char *const env_allowed[] = { "TERM", "COLORTERM",	     "LANG",	  "LC_*",
					   "TZ",   "SSH_CONNECTION", "SSH_CLIENT" };

/* Everything the child needs, made before the fork. */
struct command {
	const char *argv[WIRE_STRINGS_MAX + 2];
	const char *envp[ENV_MAX + 1];
	size_t envc;
	char name[256]; /* argv[0] */
	char home[300];
	char made[ENV_MADE][320]; /* NAME=value strings of init's own */
	size_t made_count;
	char tty[40];
	char agent[64];
	char xauthority[64];
	char sftp[512];
	int master, slave; /* of the pty, or -EBADF */
	int agent_fd;	   /* listening, for carrel-shell, or -EBADF */
};

static bool name_matches(const char *entry, const char *pattern)
{
	size_t name = strcspn(entry, "="), length = strlen(pattern);

	if (length && pattern[length - 1] == '*')
		return name >= length - 1 && strncmp(entry, pattern, length - 1) == 0;
	return name == length && strncmp(entry, pattern, length) == 0;
}

static bool env_is_allowed(const struct policy *policy, const char *entry)
{
	if (!strchr(entry, '='))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(env_allowed); i++)
		if (name_matches(entry, env_allowed[i]))
			return true;
	for (size_t i = 0; policy->env && policy->env[i]; i++)
		if (name_matches(entry, policy->env[i]))
			return true;
	return false;
}

static void add_env(struct command *c, const char *entry)
{
	if (c->envc < ENV_MAX)
		c->envp[c->envc++] = entry;
	c->envp[c->envc] = NULL;
}

/* NULL: it is left out. 0 or -errno. */
static int make_env(struct command *c, const char *name, const char *value)
{
	if (!value)
		return 0;
	if (c->made_count >= ARRAY_SIZE(c->made))
		return -E2BIG;
	char *text = c->made[c->made_count++];
	int r = text_format(text, sizeof(c->made[0]), "%s=%s", name, value);
	if (r < 0)
		return r;
	add_env(c, text);
	return 0;
}

static const char *login_name(const struct keeper *k)
{
	return k->policy.login_as == LOGIN_ROOT ? "root" : k->user.name;
}

static int build_env(const struct keeper *k, struct command *c)
{
	char mail[300], path[160];
	bool root = k->policy.login_as == LOGIN_ROOT;
	const struct {
		const char *name, *value;
	} own[] = {
		{ "PATH", path },
		{ "HOME", init_home(k, c->home, sizeof(c->home)) },
		{ "USER", login_name(k) },
		{ "LOGNAME", login_name(k) },
		{ "SHELL", k->policy.shell },
		{ "MAIL", mail },
		{ "SSH_TTY", c->tty[0] ? c->tty : NULL },
		{ "SSH_AUTH_SOCK", c->agent_fd >= 0 ? c->agent : NULL },
	};
	int r = 0;

	snprintf(path, sizeof(path), "%s%s", root ? path_root : path_user,
		 self_service_any(&k->policy) ? ":" SELF_SERVICE_BIN : "");
	snprintf(mail, sizeof(mail), "/var/mail/%s", login_name(k));
	for (size_t i = 0; i < ARRAY_SIZE(own) && r == 0; i++)
		r = make_env(c, own[i].name, own[i].value);
	return r;
}

/*
 * X11: carrel-shell sends the cookie that sshd has put in ~/.Xauthority of the host beside DISPLAY. What does not look
 * as sshd makes it is left out, and so is DISPLAY.
 */
static int add_x11(const struct keeper *k, struct command *c, int connection, const char *display,
		   const char *cookie)
{
	if (!k->policy.x11 || !display || !cookie ||
	    forward_x11(k, connection, display, cookie, c->xauthority, sizeof(c->xauthority)) < 0)
		return 0;
	int r = make_env(c, "DISPLAY", display);
	return r < 0 ? r : make_env(c, "XAUTHORITY", c->xauthority);
}

static const char *value_of(const char *entry, const char *name)
{
	size_t n = strlen(name);

	return strncmp(entry, name, n) == 0 && entry[n] == '=' ? entry + n + 1 : NULL;
}

/* The next string of the request, or NULL when the strings end before it does. */
static const char *next_string(const char **at, const char *end)
{
	const char *text = *at, *nul = text < end ? memchr(text, '\0', (size_t)(end - text)) : NULL;

	if (!nul)
		return NULL;
	*at = nul + 1;
	return text;
}

/* argv is the policy's shell with the request's arguments; the environment is filtered. The cwd is not used. */
static int parse_strings(const struct keeper *k, const struct spawn_request *r, struct command *c,
			 int connection)
{
	const char *at = r->strings, *end = at + r->header.size, *base = strrchr(k->policy.shell, '/') + 1;
	const char *display = NULL, *cookie = NULL;
	uint32_t argc = 0;

	if (text_format(c->name, sizeof(c->name), "%s%s", r->header.flags & WIRE_LOGIN ? "-" : "", base) < 0)
		return -EINVAL;
	c->argv[argc++] = c->name;
	for (uint32_t i = 0; i < r->header.argc; i++) {
		const char *text = next_string(&at, end);
		if (!text)
			return -EINVAL;
		c->argv[argc++] = text;
	}
	c->argv[argc] = NULL;
	for (uint32_t i = 0; i < r->header.envc; i++) {
		const char *text = next_string(&at, end);
		if (!text)
			return -EINVAL;
		if (value_of(text, "DISPLAY"))
			display = value_of(text, "DISPLAY");
		else if (value_of(text, WIRE_COOKIE))
			cookie = value_of(text, WIRE_COOKIE);
		else if (env_is_allowed(&k->policy, text))
			add_env(c, text);
	}
	int err = add_x11(k, c, connection, display, cookie);
	if (err < 0)
		return err;
	return next_string(&at, end) && at == end ? 0 : -EINVAL;
}

/* "sh -c <sshd's sftp-server>" is the sandbox's own sftp-server. */
static int replace_sftp(struct command *c)
{
	if (!c->argv[1] || strcmp(c->argv[1], "-c") != 0 || !c->argv[2])
		return 0;
	int r = sftp_command(c->argv[2], c->sftp, sizeof(c->sftp));
	if (r > 0)
		c->argv[2] = c->sftp;
	return r < 0 ? r : 0;
}

/* A pty of the sandbox's own devpts; the slave by TIOCGPTPEER, so that no path is looked up. */
static int open_pty(const struct keeper *k, const struct wire_request *header, struct command *c)
{
	int number, unlock = 0;

	c->master = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->master < 0 || ioctl(c->master, TIOCSPTLCK, &unlock) < 0 ||
	    ioctl(c->master, TIOCGPTN, &number) < 0)
		return -errno;
	c->slave = ioctl(c->master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (c->slave < 0 || fchown(c->slave, rootfs_inner_uid(k), TTY_GID) < 0 || fchmod(c->slave, 0620) < 0)
		return -errno;
	/* The user's own values: what does not suit the terminal driver is not worth a refusal. */
	(void)ioctl(c->slave, TIOCSWINSZ, &header->window);
	(void)tcsetattr(c->slave, TCSANOW, &header->termios);
	snprintf(c->tty, sizeof(c->tty), "/dev/pts/%d", number);
	return 0;
}

static void say(int connection, uint32_t kind, int value, const char *text, const int *fds, size_t count)
{
	struct wire_message m = { .kind = kind, .value = value };

	/* The connection does not block: who does not read misses it. */
	snprintf(m.text, sizeof(m.text), "%s", text);
	(void)wire_send(connection, &m, sizeof(m), fds, count);
}

static void reset_signals(void)
{
	sigset_t none;

	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/*
 * Drop, then prove it: a user who is not root inside must not be able to become it again. Until its exec the process is a copy
 * of init. The change of uid opens it to the user's other processes where fs.suid_dumpable is 1, so it is closed again; up
 * to then capabilities that they lack, kept and not in effect, forbid them to trace it.
 */
static int drop_to(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(1, &gid) < 0 || setresgid(gid, gid, gid) < 0 ||
	    setresuid(uid, uid, uid) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
		return -errno;
	int r = uid != 0 ? init_drop_kept() : 0;
	if (r < 0)
		return r;
	if (uid != 0 && (setresuid(0, 0, 0) == 0 || setuid(0) == 0))
		return -EPERM;
	return 0;
}

static int take_stdio(const struct spawn_request *r, const struct command *c)
{
	for (int i = 0; i < 3; i++)
		if (dup2(c->slave >= 0 ? c->slave : r->fds[i], i) < 0)
			return -errno;
	if (c->slave >= 0 && ioctl(0, TIOCSCTTY, 0) < 0)
		return -errno;
	return 0;
}

/* The process' own affairs, ids, then the directory with the user's own rights. */
static int become_user(const struct keeper *k, const struct spawn_request *r, const struct command *c)
{
	reset_signals();
	umask(022);
	if (setsid() < 0)
		return -errno;
	int err = take_stdio(r, c);
	if (err == 0 && setrlimit(RLIMIT_NOFILE, &k->files) < 0)
		err = -errno;
	if (err == 0)
		err = drop_to(rootfs_inner_uid(k), rootfs_inner_gid(k));
	if (err == 0 && k->policy.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		err = -errno;
	if (err == 0 && chdir(c->home) < 0 && chdir("/") < 0)
		err = -errno;
	return err;
}

/* The child, as init's copy until it has asked. Every descriptor beyond the first three closes by its O_CLOEXEC, the connection included. */
static _Noreturn void run(const struct keeper *k, const struct spawn_request *r, const struct command *c,
			  int connection)
{
	char text[200];

	int err = ask_score(k);
	if (err == 0)
		err = become_user(k, r, c);
	if (err < 0) {
		snprintf(text, sizeof(text), "cannot start a process in the sandbox: %s", strerror(-err));
		say(connection, WIRE_FAILED, 125, text, NULL, 0);
		_exit(125);
	}
	execve(k->policy.shell, (char *const *)c->argv, (char *const *)c->envp);
	err = errno;
	snprintf(text, sizeof(text),
		 err == ENOENT ? "there is no %.120s in your root filesystem: tell your administrator"
			       : "cannot start %.120s: %s",
		 k->policy.shell, strerror(err));
	say(connection, WIRE_FAILED, err == ENOENT ? 127 : 126, text, NULL, 0);
	_exit(err == ENOENT ? 127 : 126);
}

static void say_started(const struct command *c, int connection)
{
	int fds[2], attached = 0;
	size_t count = 0;

	if (c->master >= 0) {
		fds[count++] = c->master;
		attached |= WIRE_TERMINAL;
	}
	if (c->agent_fd >= 0) {
		fds[count++] = c->agent_fd;
		attached |= WIRE_AGENT;
	}
	say(connection, WIRE_STARTED, attached, "", fds, count);
}

static int start(const struct keeper *k, const struct spawn_request *r, struct command *c, int connection)
{
	int err = r->header.flags & WIRE_TERMINAL ? open_pty(k, &r->header, c) : 0;
	/* An agent that cannot be had is no reason to refuse a login. */
	if (err == 0 && k->policy.agent && r->header.flags & WIRE_AGENT)
		c->agent_fd = forward_agent(k, connection, c->agent, sizeof(c->agent));
	if (err == 0)
		err = build_env(k, c);
	if (err == 0)
		err = parse_strings(k, r, c, connection);
	if (err == 0)
		err = replace_sftp(c);
	if (err < 0)
		return err;
	/* Before the fork, so that the child's own WIRE_FAILED comes after it. */
	say_started(c, connection);
	pid_t pid = fork();
	if (pid == 0)
		run(k, r, c, connection);
	return pid < 0 ? -errno : pid;
}

static const char *explain(int r)
{
	if (r == -EAGAIN)
		return "cannot start a process in the sandbox: the limit of processes is reached";
	if (r == -ENOENT)
		return "there is no sftp-server in your root filesystem: apk add openssh-sftp-server";
	return NULL;
}

int spawn_command(const struct keeper *k, const struct spawn_request *request, int connection)
{
	char text[200];
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->master = c->slave = c->agent_fd = -EBADF;
	int r = start(k, request, c, connection);
	if (r < 0) {
		snprintf(text, sizeof(text), "cannot start a process in the sandbox: %s", strerror(-r));
		say(connection, WIRE_FAILED, r == -ENOENT ? 127 : 125, explain(r) ? explain(r) : text, NULL,
		    0);
	}
	close_fd(&c->master);
	close_fd(&c->slave);
	close_fd(&c->agent_fd);
	free(c);
	return r;
}
