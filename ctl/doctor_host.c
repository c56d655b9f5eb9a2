/* doctor_host.c - checks of kernel, cgroups, policy, programs and logs: see doctor.h. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config_summary.h"
#include "core/fs.h"
#include "core/image.h"
#include "core/log.h"
#include "core/nss.h"
#include "core/paths.h"
#include "core/text.h"
#include "doctor.h"

#define KERNEL_MAJOR 5
#define KERNEL_MINOR 19 /* overlays of idmapped layers */

/* --- kernel --- */

void doctor_kernel(struct doctor *d)
{
	struct utsname host;
	char *end = host.release;

	if (uname(&host) < 0)
		host.release[0] = '\0';
	unsigned long major = strtoul(host.release, &end, 10);
	unsigned long minor = *end == '.' ? strtoul(end + 1, NULL, 10) : 0;
	if (major < KERNEL_MAJOR || (major == KERNEL_MAJOR && minor < KERNEL_MINOR))
		doctor_note(d, DOCTOR_PROBLEM, "install a newer kernel",
			    "Linux %s is too old: images need idmapped overlay layers, since %d.%d",
			    host.release, KERNEL_MAJOR, KERNEL_MINOR);
	else
		doctor_ok(d, "Linux %s", host.release);
}

void doctor_namespaces(struct doctor *d)
{
	static const char *const kinds[] = { "user", "mnt", "pid", "net", "uts", "ipc", "cgroup" };
	bool good = true;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char path[64], text[32];

		(void)snprintf(path, sizeof(path), "/proc/sys/user/max_%s_namespaces", kinds[i]);
		ssize_t n = fs_read_at(AT_FDCWD, path, text, sizeof(text));
		if (n > 0 && strtoul(text, NULL, 10) > 0)
			continue;
		good = false;
		if (n > 0)
			doctor_note(d, DOCTOR_PROBLEM, "raise it with sysctl and in /etc/sysctl.d",
				    "'%s' is 0: no sandbox can be made", path);
		else
			doctor_note(d, DOCTOR_PROBLEM, "use a kernel that has them",
				    "the kernel has no %s namespaces", kinds[i]);
	}
	if (good && d->userns < 0)
		doctor_note(d, DOCTOR_PROBLEM, "see whether a container or a security module forbids it",
			    "a user namespace cannot be made: %s", strerror(-d->userns));
	else if (good)
		doctor_ok(d, "all kinds can be made");
}

/* Whether a line of the file has `word` in it. Such files are read as they come: modules.dep is large. */
static bool file_has(const char *path, const char *word)
{
	_cleanup_file_ FILE *file = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;

	while (file && getline(&line, &size, file) > 0)
		if (strstr(line, word))
			return true;
	return false;
}

void doctor_overlay(struct doctor *d)
{
	struct utsname host;
	char path[128] = "";

	if (uname(&host) == 0)
		(void)text_format(path, sizeof(path), "/lib/modules/%s/modules.dep", host.release);
	if (file_has("/proc/filesystems", "\toverlay\n"))
		doctor_ok(d, "the kernel has overlayfs");
	else if (file_has(path, "/overlay.ko"))
		doctor_ok(d, "the kernel loads overlayfs when it is needed");
	else
		doctor_note(d, DOCTOR_PROBLEM, "modprobe overlay, or install the kernel's modules",
			    "the kernel has no overlayfs, which root filesystems are made of");
}

/* --- cgroups --- */

static void check_anybody(struct doctor *d)
{
	struct cgroup_level levels[CGROUP_LEVELS_MAX];
	struct carrel_error err = { 0 };
	char name[128];

	if (!d->config || cgroup_session_name(name, sizeof(name), d->anybody.group, 0, "any") < 0)
		return;
	size_t count = cgroup_levels(&d->anybody, name, levels);
	if (cgroup_check(d->tree, levels, count, &err) < 0)
		doctor_note(d, DOCTOR_PROBLEM,
			    "take the limit out of carrel.conf, name it in 'optional', or use a kernel that "
			    "has it",
			    "the limits for everybody cannot be kept: %s", err.msg);
	for (size_t i = 0; i < count; i++)
		if (*levels[i].skipped)
			doctor_note(d, DOCTOR_WARNING, "", "optional, and not kept here: %s",
				    levels[i].skipped);
}

void doctor_cgroup(struct doctor *d)
{
	static const char *const names[] = { "memory", "cpu", "pids", "io", "blkio" };
	static const char *const whats[] = { "cgroup memory", "cgroup cpu", "cgroup pids", "cgroup io",
					     "cgroup io" };
	struct carrel_error err = { 0 };
	bool io = false;

	if (cgroup_tree_open(&d->tree, &err) < 0) {
		doctor_note(d, DOCTOR_PROBLEM,
			    "mount it, or enable it (cgroup_enable= and cgroup_disable= of the kernel's "
			    "command line)",
			    "%s", err.msg);
		return;
	}
	bool v2 = cgroup_is_v2(d->tree, "memory"), mixed = false;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		bool is_io = i >= 3;

		if (!cgroup_has(d->tree, names[i]) || (is_io && io))
			continue;
		io = io || is_io;
		mixed = mixed || cgroup_is_v2(d->tree, names[i]) != v2;
		d->what = whats[i];
		doctor_ok(d, "version %d", cgroup_is_v2(d->tree, names[i]) ? 2 : 1);
	}
	if (!io) {
		d->what = "cgroup io";
		doctor_note(d, DOCTOR_WARNING, "",
			    "there is no controller for it: users with a limit 'io' that "
			    "is not optional cannot log in");
	}
	d->what = "cgroup";
	doctor_ok(d, "%s", mixed ? "version 1 and 2" : v2 ? "version 2" : "version 1");
	check_anybody(d);
}

/* Where systemd manages the tree the first keeper asks it for a scope, over the system bus. */
void doctor_scope(struct doctor *d)
{
	if (!cgroup_manager()) {
		doctor_ok(d, "nobody manages the cgroups: the groups are in '" CGROUP_ROOT "'");
		return;
	}
	void *library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
	if (!library)
		doctor_note(d, DOCTOR_PROBLEM, "install libsystemd0",
			    "systemd manages the cgroups, and there is no libsystemd to talk to it");
	else if (access("/run/dbus/system_bus_socket", F_OK) < 0)
		doctor_note(
			d, DOCTOR_PROBLEM, "install and start dbus",
			"systemd manages the cgroups, and there is no system bus to ask it for '" CGROUP_SCOPE
			"'");
	else
		doctor_ok(d, "systemd manages the cgroups: keepers are in '" CGROUP_SCOPE "'");
	if (library)
		dlclose(library);
}

/* --- policy --- */

static void report(void *arg, const char *message)
{
	doctor_note(arg, DOCTOR_PROBLEM, "correct it; 'carrelctl check' says when it is right", "%s",
		    message);
}

/* A user of no group and a name that only rules for everybody match. */
static int decide_anybody(struct doctor *d, struct carrel_error *err)
{
	static char name[] = "-", home[] = "/", *groups[] = { NULL };
	const struct user_facts facts = { .uid = (uid_t)-2,
					  .gid = (gid_t)-2,
					  .name = name,
					  .home = home,
					  .shell = home,
					  .groups = groups };

	return policy_decide(d->config, &facts, &d->anybody, err);
}

void doctor_config(struct doctor *d)
{
	struct carrel_error err = { 0 };
	struct config_summary summary;
	size_t before = d->count;

	if (config_load(CARREL_CONF, &d->config, report, d, &err) < 0) {
		if (d->count == before)
			report(d, err.msg);
		return;
	}
	if (decide_anybody(d, &err) < 0)
		doctor_note(d, DOCTOR_PROBLEM, "correct it", "%s", err.msg);
	config_summarize(d->config, &summary);
	if (d->anybody.mode != MODE_ENFORCE)
		doctor_note(d, DOCTOR_WARNING, "set it to \"enforce\" when you have seen enough",
			    "'mode' is \"%s\": nobody is sandboxed", summary.mode);
	if (!summary.covers)
		doctor_note(d, DOCTOR_WARNING, "name users or @groups in 'covers'", "'covers' names nobody");
	doctor_ok(d, "'" CARREL_CONF "' can be read, and only root can change it");
}

static int check_image(void *arg, const char *name, const struct origin *origin)
{
	struct doctor *d = arg;
	struct carrel_error err = { 0 };
	_cleanup_close_ int fd = image_open(name, &err);

	if (fd == -ENOENT)
		doctor_note(d, DOCTOR_PROBLEM, "carrelctl image fetch, or carrelctl image import", "%s%s%s",
			    err.msg, origin->file ? ", and named in " : "", origin->file ? origin->file : "");
	else if (fd < 0)
		doctor_note(d, DOCTOR_PROBLEM, "only root may be able to change it", "%s", err.msg);
	else if (d->userns >= 0 && doctor_try_idmap(d, fd, &err) < 0)
		doctor_note(d, DOCTOR_PROBLEM,
			    "put " CARREL_STATE_DIR " on ext4, xfs, btrfs or another that can be idmapped",
			    "image '%s': the filesystem cannot show other owners: %s", name, err.msg);
	else
		doctor_ok(d, "image '%s' is imported", name);
	return 0;
}

void doctor_images(struct doctor *d)
{
	if (d->config)
		(void)config_each_string(d->config, "image", check_image, d);
}

/* --- programs --- */

static void check_program(struct doctor *d, const char *path)
{
	struct carrel_error err = { 0 };
	char real[FS_PATH_MAX];
	struct stat st = { 0 };
	_cleanup_close_ int fd = fs_open_trusted(path, real, &err);

	if (fd < 0 || fstat(fd, &st) < 0)
		doctor_note(d, DOCTOR_PROBLEM, "install Carrel anew", "'%s': %s", path,
			    *err.msg ? err.msg : strerror(errno));
	else if (st.st_uid != 0 || (st.st_mode & 022))
		doctor_note(d, DOCTOR_PROBLEM, "chown root and chmod 755, and find out who changed it",
			    "somebody else than root can change '%s'", path);
	else if (!(st.st_mode & 0001) && strcmp(path, CARREL_SHELL) == 0)
		doctor_note(d, DOCTOR_PROBLEM, "chmod 755", "users cannot run '%s'", path);
	else
		doctor_ok(d, "'%s' is installed", path);
}

void doctor_programs(struct doctor *d)
{
	check_program(d, CARREL_SHELL);
	check_program(d, CARREL_KEEPER);
}

void doctor_shells(struct doctor *d)
{
	if (file_has("/etc/shells", CARREL_SHELL))
		doctor_note(d, DOCTOR_WARNING, "take it out of /etc/shells",
			    "'" CARREL_SHELL "' is in /etc/shells: users can leave it with chsh");
	else
		doctor_ok(d, "'" CARREL_SHELL "' is not in /etc/shells, so it cannot be left with chsh");
}

void doctor_nss(struct doctor *d)
{
	char offender[64];

	if (nss_is_local(offender, sizeof(offender)))
		doctor_ok(d, "users are looked up without the network: sshd joins the sandbox's");
	else
		doctor_note(d, DOCTOR_WARNING,
			    "use sss instead, or AllowTcpForwarding no in the drop-in of sshd",
			    "nsswitch.conf names '%s': sshd does not join the sandbox's network, and "
			    "forwards (-L, -R, -D) reach the host's",
			    offender);
}

/* --- logs --- */

void doctor_syslog(struct doctor *d)
{
	_cleanup_close_ int fd = log_connect();

	if (fd < 0)
		doctor_note(d, DOCTOR_WARNING, "install and start a syslog daemon or journald",
			    "nobody listens at '/dev/log' (%s): why logins are refused is written nowhere",
			    strerror(-fd));
	else
		doctor_ok(d, "'/dev/log' takes what Carrel has to say");
}

void doctor_kmsg(struct doctor *d)
{
	_cleanup_close_ int fd = log_open_kernel();

	if (fd < 0)
		doctor_note(d, DOCTOR_WARNING, "see whether a container or a security module forbids it",
			    "'/dev/kmsg' cannot be read (%s): whom the kernel kills for memory is not told",
			    strerror(-fd));
	else
		doctor_ok(d, "'/dev/kmsg' can be read, for the names of processes killed for memory");
}
