/*
 * doctor_home.c - home = "host": which of the doors of core/host_home.h are open. Whether the file is there does not matter: it can be
 * made from inside.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/host_home.h"
#include "core/paths.h"
#include "core/program.h"
#include "core/text.h"
#include "doctor.h"
#include "sshd_text.h"

static bool is_masked(const char *unit)
{
	static const char *const dirs[] = { "/etc/systemd/system", "/run/systemd/system" };
	char path[128], target[64];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dirs[i], unit);
		ssize_t n = readlink(path, target, sizeof(target) - 1);
		if (n == (ssize_t)strlen("/dev/null") && memcmp(target, "/dev/null", (size_t)n) == 0)
			return true;
	}
	return false;
}

static bool units_run(const struct doctor_user *user)
{
	static const char *const services[] = { "sshd", "login", "cron", "su-l", "systemd-user" };
	char linger[300];

	if (access("/run/systemd/system", F_OK) < 0 || is_masked("user@.service"))
		return false;
	if (text_format(linger, sizeof(linger), "/var/lib/systemd/linger/%s", user->facts.name) == 0 &&
	    access(linger, F_OK) == 0)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(services); i++)
		if (doctor_pam_runs(services[i], "pam_systemd.so", NULL))
			return true;
	return false;
}

static bool mail_is_delivered(const struct doctor_user *user)
{
	return program_exists("sendmail");
}

static bool has_procmail(const struct doctor_user *user)
{
	return program_exists("procmail");
}

static bool sshd_says_no(const struct doctor_user *user, const char *name)
{
	char value[64];

	return user->has_sshd && strcmp(sshd_value(user->sshd_text, name, value, sizeof(value)), "no") == 0;
}

static bool shell_is_host(const struct doctor_user *user)
{
	return strcmp(user->facts.shell, CARREL_SHELL) != 0;
}

/* With carrel-shell as the login shell sshd has it run inside. */
static bool rc_runs(const struct doctor_user *user)
{
	return shell_is_host(user) && !sshd_says_no(user, "permituserrc");
}

static bool environment_is_read(const struct doctor_user *user)
{
	return !sshd_says_no(user, "permituserenvironment");
}

static bool pam_environment_is_read(const struct doctor_user *user)
{
	return doctor_pam_runs("sshd", "pam_env.so", "user_readenv=1");
}

static bool has_at_job(uid_t uid)
{
	_cleanup_dir_ DIR *dir = opendir("/var/spool/cron/atjobs");
	struct stat st;

	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(st.st_mode) && st.st_uid == uid)
			return true;
	return false;
}

static bool has_jobs(const struct doctor_user *user)
{
	static const char *const dirs[] = { "/var/spool/cron/crontabs", "/var/spool/cron" };
	char path[300];

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		if (text_format(path, sizeof(path), "%s/%s", dirs[i], user->facts.name) == 0 &&
		    access(path, F_OK) == 0)
			return true;
	return has_at_job(user->facts.uid);
}

/* A warning where the program is there and its own settings, which may close the door, are not read. */
static const struct {
	const char *path; /* of the door */
	enum doctor_result result;
	bool (*is_open)(const struct doctor_user *user);
} looks[] = {
	{ ".config/systemd/user", DOCTOR_PROBLEM, units_run },
	{ ".forward", DOCTOR_WARNING, mail_is_delivered },
	{ ".procmailrc", DOCTOR_WARNING, has_procmail },
	{ ".ssh/rc", DOCTOR_PROBLEM, rc_runs },
	{ ".ssh/environment", DOCTOR_PROBLEM, environment_is_read },
	{ ".pam_environment", DOCTOR_PROBLEM, pam_environment_is_read },
	{ ".profile", DOCTOR_PROBLEM, shell_is_host },
	{ NULL, DOCTOR_PROBLEM, has_jobs },
};

/* A door that nobody here knows how to look at counts as open. */
static bool is_open(const struct host_home_door *door, const struct doctor_user *user,
		    enum doctor_result *result)
{
	*result = DOCTOR_WARNING;
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++) {
		if (!door->path != !looks[i].path || (door->path && strcmp(door->path, looks[i].path) != 0))
			continue;
		*result = looks[i].result;
		return looks[i].is_open(user);
	}
	return true;
}

void doctor_user_home(struct doctor *d, const struct doctor_user *user)
{
	enum doctor_result result;
	size_t before = d->count;

	for (const struct host_home_door *door = host_home_doors; door->what; door++)
		if (is_open(door, user, &result))
			doctor_note(d, result, door->how, "home = \"host\", and %s%s is open: %s",
				    door->path ? "~/" : "a door elsewhere", door->path ? door->path : "",
				    door->what);
	if (d->count == before)
		doctor_ok(d, "home = \"host\", and nothing of the host acts on what they write there");
}
