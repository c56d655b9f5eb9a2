/*
 * carrel-keeper.c - one per session: reads the policy, builds the sandbox, supervises it until it ends, and
 * then removes every trace. Root, in the host's namespaces; started by pam_carrel.so with an empty environment.
 *
 *	open_session()	the steps of a login in order, up to the answer READY
 *	supervise()	until the login, the sandbox or an administrator ends it
 *	close_session()	the steps back, each of which may find nothing to do
 *
 * What it says to the module is in core/wire.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "answer.h"
#include "ask.h"
#include "ceiling.h"
#include "core/cleanup.h"
#include "core/covered.h"
#include "core/fs.h"
#include "core/log.h"
#include "core/paths.h"
#include "core/pinned.h"
#include "core/state.h"
#include "core/user.h"
#include "core/wire.h"
#include "ending.h"
#include "keeper.h"
#include "limits.h"
#include "oom.h"
#include "rootfs.h"
#include "sandbox.h"
#include "scope.h"
#include "self_service.h"
#include "slot.h"
#include "supervise.h"
#include "watch.h"

#define STOP_TIMEOUT_MS	 10000
#define LOCK_TIMEOUT_MS	 10000
#define DYING_TIMEOUT_MS 2000

enum verdict { NOT_COVERED, COVERED };

/* Config and user -> policy. A user whose own shell would run on the host is not let through. */
static int decide(struct keeper *k, struct carrel_error *err)
{
	int r = user_facts_get(k->request.user, &k->user, err);
	if (r < 0)
		return r;
	override_stamp(k->user.uid, &k->stamp);
	r = config_load(k->request.conf, &k->config, NULL, NULL, err);
	if (r == 0)
		r = policy_decide(k->config, &k->user, &k->policy, err);
	if (r < 0) {
		/* Of one that contradicts itself it is known whom it covers, of one that cannot be read it is not. */
		bool covered = k->policy.covered && k->policy.mode == MODE_ENFORCE;
		if (k->user.uid == 0 || (!covered && !seems_covered(k->user.uid, k->user.shell))) {
			log_send("carrel-keeper", LOG_ERR, "user '%s' is let in without a sandbox: %s",
				 k->user.name, err->msg);
			return NOT_COVERED;
		}
		return r;
	}
	if (!k->policy.covered || k->policy.mode == MODE_OFF)
		return NOT_COVERED;
	if (k->policy.mode == MODE_SHADOW) {
		log_send("carrel-keeper", LOG_INFO, "shadow: user '%s' would be sandboxed: %s", k->user.name,
			 k->policy.why);
		return NOT_COVERED;
	}
	if (strcmp(k->user.shell, CARREL_SHELL) != 0 && !k->policy.forced_command_ok)
		return error_set(err, EPERM,
				 "user '%s' is covered and their shell is '%s', not " CARREL_SHELL,
				 k->user.name, k->user.shell);
	return COVERED;
}

/* Whether a process that crashes has the kernel start a program of the host, or write to a socket there: core(5). */
static bool core_goes_to_the_host(void)
{
	char pattern[256];

	return fs_read_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", pattern, sizeof(pattern)) <= 0 ||
	       strchr("|@", pattern[0]);
}

/*
 * RLIMIT_CORE of exactly 1, for init and all it starts, who could not raise it: with 0 the kernel still starts a piped core handler, on
 * the host, as root; 1 is what it takes for "the core handler itself crashed", and does nothing. A root without CAP_SYS_RESOURCE (in
 * a container) cannot raise a limit of 0 (sudo's default) either: that will do while cores are files, which 0 forbids.
 */
static int limit_core(struct carrel_error *err)
{
	const struct rlimit core = { 1, 1 };
	struct rlimit now;

	if (setrlimit(RLIMIT_CORE, &core) == 0)
		return 0;
	int r = error_errno(err, "cannot set the limit of core files to 1");
	if (r != -EPERM || getrlimit(RLIMIT_CORE, &now) < 0 || now.rlim_max != 0 || core_goes_to_the_host())
		return r;
	err->code = 0;
	return 0;
}

/* The steps of a login. On failure whatever was made is left to close_session. */
static int open_session(struct keeper *k, struct carrel_error *err)
{
	int r = limit_core(err);
	if (r == 0)
		r = pinned_prepare(err);
	if (r == 0)
		r = scope_enter(k, err);
	if (r == 0)
		r = slot_lock_user(k, err);
	if (r == 0)
		r = ceiling_decide(k, err);
	if (r == 0)
		r = slot_open(k, err);
	if (r == 0)
		r = oom_protect(k, err);
	if (r == 0)
		r = ask_open(k, err);
	if (r < 0)
		return r;

	/* On v2 init is born in its group; on v1 it enters later, and the group is made while it mounts. */
	bool born_inside = cgroup_can_clone();
	if (born_inside)
		r = ceiling_make(k, err);
	if (r == 0)
		r = sandbox_clone(k, err);
	if (r == 0)
		r = limits_make(k, err);
	if (r == 0)
		r = rootfs_open(k, err);
	if (r == 0)
		r = sandbox_give(k, GIFT_MOUNTS, err);
	slot_unlock(k);
	if (r == 0 && !born_inside)
		r = ceiling_make(k, err);
	if (r == 0)
		r = sandbox_give(k, GIFT_CGROUP, err);
	if (r == 0)
		r = sandbox_wait(k, err);
	if (r == 0)
		r = cgroup_check_member(k->cgroups, k->record.cgroup, k->record.init, err);
	/* From here on whoever changes limits knows that the groups are there, and changes them; what came before is seen by us. */
	if (r == 0)
		r = session_write(k->record_fd, &k->record, err);
	close_fd(&k->image_fd);
	return r < 0 ? r : ceiling_settle(k, err);
}

/*
 * Undo, in the order in which nothing can still be using what is removed. Goes on after a failure. ENDING_NONE: the session was
 * never open.
 */
static void close_session(struct keeper *k, enum ending ending)
{
	struct carrel_error err = { 0 };

	scope_leave(k);
	limits_stop();
	ending = ending_refine(k, ending);
	ending_tell(k, ending);
	if (sandbox_stop(k, STOP_TIMEOUT_MS) < 0)
		log_send("carrel-keeper", LOG_ERR,
			 "session '%s': processes do not end; their removal is left to the next login",
			 k->record.id);
	close_fd(&k->sync_fd);
	close_fd(&k->listen_fd);
	close_fd(&k->image_fd);
	close_fd(&k->rootfs_fd);
	close_fd(&k->home_fd);
	close_fd(&k->limits_fd);
	close_fd(&k->ssh_fd);
	close_fd(&k->disk_fd);
	close_fd(&k->storage_fd);
	close_fd(&k->map_fd);
	for (size_t i = 0; i < BINDS_MAX; i++)
		close_fd(&k->bind_fds[i]);
	while (k->cgroup_fds_count > 0)
		close_fd(&k->cgroup_fds[--k->cgroup_fds_count]);
	if (!k->record.id[0])
		return;
	if (ending != ENDING_NONE)
		ending_report(k, ending);
	int r = fs_lock(k->lock_fd, LOCK_TIMEOUT_MS);
	if (r < 0) {
		log_send("carrel-keeper", LOG_ERR,
			 "session '%s': cannot lock the files of '%s': %s; its removal is left to the next "
			 "login",
			 k->record.id, k->user.name, strerror(-r));
		return;
	}
	if (slot_clear(k->record.id, &k->cgroups, STOP_TIMEOUT_MS, &err) < 0)
		log_send("carrel-keeper", LOG_ERR, "session '%s': %s", k->record.id, err.msg);
	else if (ending != ENDING_NONE)
		self_service_carry_out(k);
	slot_unlock(k);
}

static int run_open(struct keeper *k)
{
	struct carrel_error err = { 0 };

	alarm((unsigned)k->request.timeout);
	int r = decide(k, &err);
	if (r == NOT_COVERED) {
		answer_ignore(k->policy.why);
		return 0;
	}
	if (r == COVERED)
		r = open_session(k, &err);
	if (r == 0)
		r = answer_ready(k, &err);
	alarm(0);
	if (r == 0) {
		ask_serve(k);
		watch_start(k);
		enum ending ending = supervise(k);
		watch_stop(k);
		close_session(k, ending);
		return 0;
	}
	close_session(k, ENDING_NONE);
	answer_refuse(k, &err);
	return 1;
}

/*
 * Whoever calls `close` has seen the keeper's socket go; its lock on the record goes at nearly the same moment, but a dying
 * process on a busy machine can take its time between the two. 0: dead; 1: live after all; -errno.
 */
static int wait_until_dead(const char *id, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + DYING_TIMEOUT_MS;
	int alive;

	while ((alive = session_alive(id, err)) == 1 && fs_now_ms() < deadline)
		poll(NULL, 0, 5);
	return alive;
}

/* Remove what a killed keeper left. The lock of the user makes it wait for a login that is doing the same. */
static int run_close(struct keeper *k, const char *id)
{
	struct carrel_error err = { 0 };

	if (!session_id_valid(id))
		return answer_gone(error_set(&err, EINVAL, "'%.30s' is not a session's id", id), &err);
	k->lock_fd = state_lock_uid(session_id_uid(id), LOCK_TIMEOUT_MS, &err);
	if (k->lock_fd < 0 && k->lock_fd != -ENOENT)
		return answer_gone(k->lock_fd, &err);
	int r = wait_until_dead(id, &err);
	if (r == 1)
		r = error_set(&err, EBUSY, "session '%s' is live", id);
	else if (r == 0)
		r = slot_clear_stale(id, &k->cgroups, STOP_TIMEOUT_MS, &err);
	return answer_gone(r, &err);
}

static int usage(void)
{
	fputs("usage: carrel-keeper open USER [--conf=FILE] [--timeout=SECONDS] [--service=S] [--rhost=H] "
	      "[--tty=T] [--debug]\n"
	      "       carrel-keeper close ID\n"
	      "Started by pam_carrel.so and carrelctl; see pam_carrel(8).\n",
	      stderr);
	return 2;
}

static int parse(int argc, char **argv, struct request *request)
{
	static const struct option options[] = {
		{ "conf", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "service", required_argument, NULL, 's' },
		{ "rhost", required_argument, NULL, 'r' },
		{ "tty", required_argument, NULL, 'y' },
		{ "debug", no_argument, NULL, 'd' },
		{ NULL, 0, NULL, 0 },
	};

	*request = (struct request){ .conf = CARREL_CONF, .timeout = 10 };
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			request->conf = optarg;
			break;
		case 't':
			request->timeout = (int)strtol(optarg, NULL, 10);
			break;
		case 's':
			request->service = optarg;
			break;
		case 'r':
			request->rhost = optarg;
			break;
		case 'y':
			request->tty = optarg;
			break;
		case 'd':
			request->debug = true;
			break;
		default:
			return -EINVAL;
		}
	}
	return request->timeout >= 1 && request->timeout <= 300 && argc - optind == 2 ? 0 : -EINVAL;
}

/* Whoever started us may have had an odd state; sshd certainly has handlers and a mask of its own. */
static void normalize_process(void)
{
	sigset_t stop;

	for (int s = 1; s < NSIG; s++)
		signal(s, s == SIGPIPE ? SIG_IGN : SIG_DFL);
	supervise_signals(&stop);
	sigprocmask(SIG_SETMASK, &stop, NULL);
	umask(022);
	prctl(PR_SET_DUMPABLE, 0);
	if (chdir("/") < 0)
		exit(1);
}

/*
 * The descriptors that wire.h promises. Without them what we open would get their numbers, and be taken for the answer's socket.
 */
static bool has_caller(bool opens)
{
	int type;
	socklen_t size = sizeof(type);

	return getsockopt(WIRE_ANSWER_FD, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
	       (!opens || fcntl(WIRE_OPENER_FD, F_GETFD) >= 0);
}

int main(int argc, char **argv)
{
	struct keeper k = {
		.record_fd = -EBADF,
		.control_fd = -EBADF,
		.listen_fd = -EBADF,
		.users_fd = -EBADF,
		.user_fd = -EBADF,
		.lock_fd = -EBADF,
		.image_fd = -EBADF,
		.rootfs_fd = -EBADF,
		.home_fd = -EBADF,
		.limits_fd = -EBADF,
		.ssh_fd = -EBADF,
		.disk_fd = -EBADF,
		.storage_fd = -EBADF,
		.map_fd = -EBADF,
		.scope_fd = -EBADF,
		.init_pidfd = -EBADF,
		.sync_fd = -EBADF,
		.ask_fds = { -EBADF, -EBADF },
	};

	for (size_t i = 0; i < BINDS_MAX; i++)
		k.bind_fds[i] = -EBADF;
	/* Before getopt, which changes the order of argv. */
	k.title = argv[0];
	k.title_size = (size_t)(argv[argc - 1] + strlen(argv[argc - 1]) + 1 - argv[0]);
	if (parse(argc, argv, &k.request) < 0 || geteuid() != 0)
		return usage();
	const char *verb = argv[optind], *name = argv[optind + 1];
	if (!has_caller(strcmp(verb, "open") == 0))
		return usage();
	normalize_process();
	close_range(WIRE_OPENER_FD + 1, ~0u, 0);
	if (strcmp(verb, "open") == 0) {
		k.request.user = name;
		return run_open(&k);
	}
	if (strcmp(verb, "close") == 0)
		return run_close(&k, name);
	return usage();
}
