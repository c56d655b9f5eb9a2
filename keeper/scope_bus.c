/*
 * scope_bus.c - see scope.h. The only file that talks to systemd.
 *
 * Done in a child, so that libsystemd is loaded only when the scope must be made and never stays in a keeper or an
 * init, and so that the time is bounded whatever the library or the bus waits for: a timer kills the child.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "scope.h"

#define SYSTEMD	    "org.freedesktop.systemd1"
#define MANAGER	    "/org/freedesktop/systemd1", SYSTEMD ".Manager"
#define UNIT_OBJECT "/org/freedesktop/systemd1/unit/carrel_2dsessions_2escope", SYSTEMD ".Unit"
#define RETRY_MS    10

/* The part of sd-bus(3) that is used, declared here so that building needs nothing of systemd. */
struct sd_bus;
struct bus_error {
	const char *name;
	const char *message;
	int need_free;
};
static int (*bus_open)(struct sd_bus **bus);
static struct sd_bus *(*bus_close)(struct sd_bus *bus);
static int (*bus_set_timeout)(struct sd_bus *bus, uint64_t usec);
static int (*bus_call)(struct sd_bus *bus, const char *destination, const char *path, const char *interface,
		       const char *member, struct bus_error *error, void **reply, const char *types, ...);
static int (*bus_get_string)(struct sd_bus *bus, const char *destination, const char *path,
			     const char *interface, const char *member, struct bus_error *error,
			     char **value);

static int load_library(struct carrel_error *err)
{
	static const struct {
		const char *name;
		void *function;
	} functions[] = {
		{ "sd_bus_open_system", &bus_open },
		{ "sd_bus_flush_close_unref", &bus_close },
		{ "sd_bus_set_method_call_timeout", &bus_set_timeout },
		{ "sd_bus_call_method", &bus_call },
		{ "sd_bus_get_property_string", &bus_get_string },
	};
	void *library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);

	for (size_t i = 0; library && i < ARRAY_SIZE(functions); i++) {
		void *symbol = dlsym(library, functions[i].name);
		if (!symbol)
			return error_set(err, ENOSYS, "libsystemd has no %s", functions[i].name);
		memcpy(functions[i].function, &symbol, sizeof(symbol));
	}
	return library ? 0 : error_set(err, ENOENT, "cannot load libsystemd: %s", dlerror());
}

/* What passes by itself: an ended scope not gone yet, a systemd that is starting itself again. */
static bool is_passing(const struct bus_error *error, int r)
{
	static const char *const names[] = {
		"org.freedesktop.systemd1.UnitExists",	     "org.freedesktop.DBus.Error.NoReply",
		"org.freedesktop.DBus.Error.Disconnected",   "org.freedesktop.DBus.Error.NameHasNoOwner",
		"org.freedesktop.DBus.Error.ServiceUnknown", "org.freedesktop.DBus.Error.Timeout",
	};

	for (size_t i = 0; error->name && i < ARRAY_SIZE(names); i++)
		if (strcmp(error->name, names[i]) == 0)
			return true;
	return r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOTCONN || r == -EPIPE || r == -ETIMEDOUT;
}

static int failed(const char *doing, const struct bus_error *error, int r, struct carrel_error *err)
{
	return error_set(err, is_passing(error, r) ? EAGAIN : -r, "%s '" SCOPE_UNIT "': %s", doing,
			 error->message ? error->message : strerror(-r));
}

/*
 * TasksMax: a scope has systemd's default otherwise, a few thousand for all sessions together. CollectMode: a scope that
 * failed would be kept, and the next one could not be made. RequiresMountsFor: at shutdown the sessions end before
 * their files are unmounted.
 */
static int start_scope(struct sd_bus *bus, pid_t pid, struct bus_error *error)
{
	/* clang-format off */
	return bus_call(bus, SYSTEMD, MANAGER, "StartTransientUnit", error, NULL, "ssa(sv)a(sa(sv))",
			SCOPE_UNIT, "fail", 7,
			"Description", "s", "Sandboxed sessions of Carrel",
			"Slice", "s", CGROUP_SLICE,
			"Delegate", "b", 1,
			"TasksMax", "t", UINT64_MAX,
			"CollectMode", "s", "inactive-or-failed",
			"RequiresMountsFor", "as", 1, CARREL_STATE_DIR,
			"PIDs", "au", 1, (uint32_t)pid,
			0);
	/* clang-format on */
}

/* The scope is there. It takes us in unless it is ending: its keepers are, or what a killed one left still runs. */
static int attach(struct sd_bus *bus, pid_t pid, struct carrel_error *err)
{
	struct bus_error error = { 0 };
	_cleanup_free_ char *state = NULL;

	int r = bus_get_string(bus, SYSTEMD, UNIT_OBJECT, "ActiveState", &error, &state);
	if (r < 0)
		return failed("cannot look at", &error, r, err);
	if (strcmp(state, "active") != 0)
		return error_set(err, EAGAIN, "'" SCOPE_UNIT "' does not end");
	r = bus_call(bus, SYSTEMD, MANAGER, "AttachProcessesToUnit", &error, NULL, "ssau", SCOPE_UNIT,
		     "/" SCOPE_KEEPERS, 1, (uint32_t)pid);
	return r < 0 ? error_set(err, EAGAIN, "cannot join '" SCOPE_UNIT "': %s",
				 error.message ? error.message : strerror(-r))
		     : 0;
}

static int join_once(pid_t pid, int64_t deadline, struct carrel_error *err)
{
	struct bus_error error = { 0 };
	struct sd_bus *bus = NULL;
	int64_t left = deadline - fs_now_ms();

	int r = bus_open(&bus);
	if (r >= 0)
		r = bus_set_timeout(bus, (uint64_t)(left > 0 ? left : 1) * 1000);
	if (r < 0) {
		r = failed("cannot reach systemd to start", &error, r, err);
	} else {
		r = start_scope(bus, pid, &error);
		if (r < 0 && error.name && strcmp(error.name, SYSTEMD ".UnitExists") == 0)
			r = attach(bus, pid, err);
		else if (r < 0)
			r = failed("cannot start", &error, r, err);
	}
	bus_close(bus);
	return r < 0 ? r : 0;
}

static void join_in_child(pid_t pid, int timeout_ms, struct carrel_error *err)
{
	int64_t deadline = fs_now_ms() + timeout_ms;

	int r = load_library(err);
	for (bool first = true; r == 0 || r == -EAGAIN; first = false) {
		if (!first)
			poll(NULL, 0, RETRY_MS);
		r = join_once(pid, deadline, err);
		if (r == 0)
			err->code = 0;
		if (r == 0 || fs_now_ms() + RETRY_MS >= deadline)
			return;
	}
}

int scope_bus_join(pid_t pid, int timeout_ms, struct carrel_error *err)
{
	struct itimerval limit = { .it_value = { timeout_ms / 1000, timeout_ms % 1000 * 1000 + 1 } };
	struct carrel_error answer = { 0 };
	int pair[2];

	if (timeout_ms <= 0)
		return error_set(err, ETIMEDOUT, "there was no time to start '" SCOPE_UNIT "'");
	if (pipe2(pair, O_CLOEXEC) < 0)
		return error_errno(err, "cannot make a pipe");
	_cleanup_close_ int hear = pair[0], tell = pair[1];
	pid_t self = getpid(), child = fork();
	if (child < 0)
		return error_errno(err, "cannot fork");
	if (child == 0) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != self ||
		    setitimer(ITIMER_REAL, &limit, NULL) < 0)
			_exit(1);
		join_in_child(pid, timeout_ms - RETRY_MS, &answer);
		_exit(write(tell, &answer, sizeof(answer)) != (ssize_t)sizeof(answer));
	}
	close_fd(&tell);
	ssize_t n;
	do
		n = read(hear, &answer, sizeof(answer));
	while (n < 0 && errno == EINTR);
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(answer))
		return error_set(err, ETIMEDOUT, "systemd does not answer");
	return answer.code ? error_set(err, answer.code, "%s", answer.msg) : 0;
}
