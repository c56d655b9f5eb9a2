/*
 * carrel-shell - the login shell of a sandboxed user: has its command run in the user's sandbox.
 *
 * Runs on the host as the user, without privilege, started by sshd, login or su. It is static and asks neither
 * NSS nor a locale, because its environment may be the user's: all it takes from there is which session it
 * belongs to, and that only names a socket; what was asked for under ForceCommand; and what the client forwards. The
 * socket's owner and mode decide who may use it. Whatever is missing, there is never a shell on the host.
 *
 *	sshd ── carrel-shell ──request, stdio──> init (PID 1 of the sandbox) ── the user's shell
 *	              │  <─started, master, agent──┤
 *	              │  ──────signals───────────> │
 *	              └  <─────exit status─────────┘
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/text.h"
#include "shell/agent.h"
#include "shell/ended.h"
#include "shell/relay.h"
#include "shell/request.h"
#include "shell/stdio.h"
#include "shell/terminal.h"
#include "shell/x11.h"

enum {
	STATUS_NO_SESSION = 1,
	STATUS_USAGE = 2,
	STATUS_UNSERVED = 125, /* the sandbox could not serve */
	STATUS_SIGNAL = 128,   /* and the number of the signal */
};

/* An init that does not answer for so long never will. Long, because a sandbox may be short of CPU. */
#define START_TIMEOUT_S 60

#define USAGE "usage: carrel-shell [-l] [-c COMMAND [NAME [ARGUMENT...]]]\n"

static const char help[] = USAGE "\n"
				 "Runs a shell, or COMMAND, in the sandbox of this login.\n"
				 "  -c COMMAND   run COMMAND with the shell of the sandbox\n"
				 "  -l, --login  as a login shell\n"
				 "  --help       this text\n"
				 "  --version    the version\n";

/* Signals that are passed on, or end us: read in the relay's loop. */
static const int handled[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH };

/* Say it and end: every failure's way out. The terminal is restored first, or the line would be a staircase. */
__attribute__((noreturn)) static void quit(int status, const char *message)
{
	terminal_restore();
	stdio_complain(message);
	exit(status);
}

/* Undo what a parent may have left: blocked signals. A write to a client that is gone is an error, not our death. */
static void reset_signals(void)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

/* The command line, or the end of this process when that is all there is to it. */
static struct arguments read_arguments(int argc, char **argv)
{
	struct arguments args;

	switch (arguments_parse(argc, argv, &args)) {
	case ARGUMENTS_RUN:
		return args;
	case ARGUMENTS_HELP:
		exit(fputs(help, stdout) < 0 || fflush(stdout) != 0);
	case ARGUMENTS_VERSION:
		exit(puts("carrel-shell " CARREL_VERSION) < 0 || fflush(stdout) != 0);
	case ARGUMENTS_WRONG:
		break;
	}
	fputs(USAGE, stderr);
	exit(STATUS_USAGE);
}

/* Why there is no connection, in words. EAGAIN: init did not take it within SO_SNDTIMEO. */
static const char *connect_problem(int error)
{
	switch (error) {
	case ENOENT:
	case ECONNREFUSED:
		return "the session has ended";
	case EACCES:
	case EPERM:
		return "the session is somebody else's";
	case EAGAIN:
		return "the sandbox does not answer";
	default:
		return "cannot reach the session";
	}
}

/*
 * Connect to the session that CARREL_SESSION names. Anybody may set that; a name that could be a path is refused, one
 * of another user's session is as well, and then the kernel refuses whoever does not own the socket.
 */
static int connect_session(void)
{
	const char *id = getenv("CARREL_SESSION");
	const struct timeval timeout = { .tv_sec = START_TIMEOUT_S };
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (!id || !*id)
		quit(STATUS_NO_SESSION,
		     "no session: this account can only be used through a login that starts its sandbox");
	if (!session_id_valid(id))
		quit(STATUS_NO_SESSION, "CARREL_SESSION does not name a session");
	if (session_id_uid(id) != getuid())
		quit(STATUS_NO_SESSION, "the session is somebody else's");
	if (text_format(to.sun_path, sizeof(to.sun_path), "%s/%s/socket", CARREL_SESSIONS, id) < 0)
		quit(STATUS_NO_SESSION, "CARREL_SESSION does not name a session");
	ended_open(id);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout)) < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
		quit(STATUS_UNSERVED, "cannot make a socket");
	while (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		int error = errno;
		if (error != EINTR)
			quit(error == EAGAIN ? STATUS_UNSERVED : STATUS_NO_SESSION, connect_problem(error));
	}
	return fd;
}

/* What carrel-shell exits with when init's last word is `last`. */
static int status_of(const struct wire_message *last)
{
	switch (last->kind) {
	case WIRE_EXITED:
		return last->value & 0xff;
	case WIRE_SIGNALED:
		return (STATUS_SIGNAL + last->value) & 0xff;
	default: /* WIRE_FAILED, and WIRE_ENDED with value 0 */
		terminal_restore();
		stdio_complain(last->text);
		return last->value > 0 && last->value < 256 ? last->value : STATUS_UNSERVED;
	}
}

/* No word from init any more, or one that makes no sense. */
__attribute__((noreturn)) static void quit_unserved(int error)
{
	char reason[WIRE_TEXT_MAX];

	switch (error) {
	case -EAGAIN:
		quit(STATUS_UNSERVED, "the sandbox does not answer");
	case -ECONNRESET:
	case -EPIPE:
		quit(STATUS_UNSERVED, ended_reason(reason, sizeof(reason), "the session was ended"));
	default:
		quit(STATUS_UNSERVED, "the sandbox gave a wrong answer");
	}
}

static void send_request(int socket, const struct request *request, const struct stdio *stdio)
{
	int ret = wire_send(socket, &request->head, sizeof(request->head), stdio->give,
			    ARRAY_SIZE(stdio->give));

	if (ret == 0)
		ret = wire_send(socket, request->strings, request->head.size, NULL, 0);
	if (ret < 0 && ret != -EPIPE) /* EPIPE: init refused it, and its answer says why */
		quit_unserved(ret);
}

/* What the command got of what was asked for. Negative: nothing. */
struct started {
	int master;   /* of its terminal */
	int listener; /* of its agent */
};

/* Wait until the command runs. A terminal is had or there is an error; an agent is as init and the policy like. */
static struct started wait_started(int socket, uint32_t asked)
{
	struct started started = { -EBADF, -EBADF };
	struct wire_message answer;
	int fds[2];
	size_t count = ARRAY_SIZE(fds), taken = 0;
	int ret = wire_receive(socket, &answer, sizeof(answer), fds, &count);

	if (ret < 0)
		quit_unserved(ret);
	answer.text[sizeof(answer.text) - 1] = '\0';
	if (answer.kind == WIRE_FAILED)
		exit(status_of(&answer));
	const uint32_t given = (uint32_t)answer.value, want = asked & (WIRE_TERMINAL | WIRE_AGENT);
	if (answer.kind != WIRE_STARTED || given & ~want || (given ^ want) & WIRE_TERMINAL ||
	    count != (size_t)__builtin_popcount(given))
		quit_unserved(-EPROTO);
	if (given & WIRE_TERMINAL)
		started.master = fds[taken++];
	if (given & WIRE_AGENT)
		started.listener = fds[taken++];
	return started;
}

/*
 * Take the signals out of their way, to be read in the loop. Not earlier: until the command runs there is
 * nobody to send them to, and they end us as they would end any program. An ignored one (nohup) stays so.
 */
static int catch_signals(void)
{
	sigset_t set;
	struct sigaction old;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(handled); i++) {
		if (sigaction(handled[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaddset(&set, handled[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return -errno;
	int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* What the client asked for, with what it forwards, as a request that can be sent. 0 or -errno with a message. */
static int prepare(struct arguments args, struct request *request, struct stdio *stdio, struct agent *agent,
		   struct carrel_error *err)
{
	char *original[] = { getenv("SSH_ORIGINAL_COMMAND"), NULL };
	struct x11 x11;
	char *offers[] = { x11.display, x11.cookie, NULL };

	arguments_forced(&args, original);
	if (x11_find(&x11, getenv("DISPLAY"), getenv("XAUTHORITY"), getenv("HOME")))
		args.offers = offers;
	int ret = request_build(&args, environ, request, err);
	if (ret == 0 && agent_find(agent, getenv("SSH_AUTH_SOCK")))
		request->head.flags |= WIRE_AGENT;
	if (ret == 0)
		ret = stdio_plan(stdio, err);
	return ret == 0 && stdio->terminal ? stdio_describe_terminal(&request->head, err) : ret;
}

int main(int argc, char **argv)
{
	static struct relay relay; /* its buffers are too large for a stack */
	static struct agent agent;
	struct carrel_error err = { 0 };
	struct request request;
	struct stdio stdio;
	struct wire_message last;

	if (stdio_sanitize() < 0)
		return STATUS_UNSERVED;
	reset_signals();
	struct arguments args = read_arguments(argc, argv);
	int socket = connect_session();

	if (prepare(args, &request, &stdio, &agent, &err) < 0)
		quit(STATUS_UNSERVED, err.msg);
	send_request(socket, &request, &stdio);
	request_clear(&request);
	stdio_handed_over(&stdio);
	struct started started = wait_started(socket, request.head.flags);

	int signals = catch_signals();
	relay_init(&relay, socket, signals);
	if (signals < 0 || stdio_relay(&stdio, started.master, &relay, &err) < 0)
		quit(STATUS_UNSERVED, signals < 0 ? "cannot catch signals" : err.msg);
	if (started.listener >= 0) {
		agent_listen(&agent, started.listener);
		relay.agent = &agent;
	}
	if (stdio.terminal && terminal_raw(STDIN_FILENO, &request.head.termios) < 0)
		quit(STATUS_UNSERVED, "cannot make the terminal raw");
	stdio_started(&stdio);

	int ret = relay_run(&relay, &last);
	relay_clear(&relay);
	agent_clear(&agent);
	terminal_restore();
	if (ret > 0) /* the pty closes with us: the kernel hangs up the command */
		return STATUS_SIGNAL + ret;
	if (ret < 0)
		quit_unserved(ret);
	return status_of(&last);
}
