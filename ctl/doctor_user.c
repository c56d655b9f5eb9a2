/* doctor_user.c - what is looked at of one user: see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/bind.h"
#include "core/cleanup.h"
#include "core/disk_image.h"
#include "core/fs.h"
#include "core/host_source.h"
#include "core/idmap.h"
#include "core/image.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/state.h"
#include "core/storage.h"
#include "core/units.h"
#include "doctor.h"

static bool is_enforced(const struct doctor_user *user)
{
	return user->policy.covered && user->policy.mode == MODE_ENFORCE;
}

/* --- whether they get in --- */

static void check_shell(struct doctor *d, const struct doctor_user *user)
{
	bool ours = strcmp(user->facts.shell, CARREL_SHELL) == 0;

	d->what = "shell";
	if (is_enforced(user) && !ours && !user->policy.forced_command_ok)
		doctor_note(d, DOCTOR_PROBLEM,
			    "usermod -s " CARREL_SHELL
			    ", or forced_command_ok = true with ForceCommand of sshd",
			    "locked out: covered, and the shell is '%.200s' and not " CARREL_SHELL,
			    user->facts.shell);
	else if (!is_enforced(user) && ours)
		doctor_note(d, DOCTOR_PROBLEM, "usermod -s to a shell of the host, or cover them",
			    "locked out: not sandboxed, and the shell is " CARREL_SHELL
			    ", which does nothing without a sandbox");
	else
		doctor_ok(d, "'%.200s'", user->facts.shell);
}

/* The image of the next login: the one that the user's files were made on, else the policy's. */
static void check_image(struct doctor *d, const struct doctor_user *user)
{
	char name[IMAGE_NAME_MAX + 1];
	struct carrel_error err = { 0 };
	_cleanup_close_ int state = state_open(user->facts.uid);
	bool own = user->policy.rootfs == ROOTFS_PERSISTENT && state >= 0 &&
		   state_read_image(state, name, &err) == 0;

	d->what = "image";
	_cleanup_close_ int fd = image_open(own ? name : user->policy.image, &err);
	if (fd < 0)
		doctor_note(d, DOCTOR_PROBLEM,
			    own ? "import it under this name, or carrelctl rootfs upgrade to another"
				: "carrelctl image fetch, or carrelctl image import",
			    "locked out: %s", err.msg);
	else
		doctor_ok(d, "'%s'", own ? name : user->policy.image);
}

static void check_ids(struct doctor *d, const struct doctor_user *user)
{
	_cleanup_close_ int users = open(CARREL_USERS, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct carrel_error err = { 0 };

	d->what = "ids";
	if (users >= 0 && idmap_check_login(users, user->facts.uid, &err) < 0)
		doctor_note(d, DOCTOR_PROBLEM, "give the account another uid", "%s", err.msg);
}

static void check_limits(struct doctor *d, const struct doctor_user *user)
{
	struct cgroup_level levels[CGROUP_LEVELS_MAX];
	struct carrel_error err = { 0 };
	char name[128];

	d->what = "limits";
	if (!d->tree ||
	    cgroup_session_name(name, sizeof(name), user->policy.group, user->facts.uid, "any") < 0)
		return;
	size_t count = cgroup_levels(&user->policy, name, levels);
	bool good = cgroup_check(d->tree, levels, count, &err) == 0;
	if (!good)
		doctor_note(d, DOCTOR_PROBLEM,
			    "take the limit out of carrel.conf, name it in 'optional', or use a kernel that "
			    "has it",
			    "locked out: %s", err.msg);
	for (size_t i = 0; i < count; i++) {
		if (*levels[i].skipped)
			doctor_note(d, DOCTOR_WARNING, "", "optional, and not kept here: %s",
				    levels[i].skipped);
		good = good && !*levels[i].skipped;
	}
	if (good)
		doctor_ok(d, "all can be kept");
}

/* Nothing keeps to the first limit of a user's files while they are in use, so the keeper opens no other session. */
static const char *limit_that_waits(const struct doctor_user *user)
{
	if (user->policy.rootfs == ROOTFS_EPHEMERAL || session_count_live(user->facts.uid, NULL) <= 0)
		return NULL;
	return policy_required_storage(&user->policy);
}

static void check_disk(struct doctor *d, const struct doctor_user *user)
{
	const struct limits *limits = &user->policy.user_limits;
	bool limited = limits->disk != UNIT_NONE || limits->inodes != UNIT_NONE;
	struct carrel_error err = { 0 };
	struct storage_usage usage;

	d->what = "storage";
	if (user->policy.rootfs == ROOTFS_EPHEMERAL) {
		doctor_ok(d, "limits of disk space: of the memory that each session's files are in");
		return;
	}
	int r = storage_usage(user->facts.uid, limits, &usage, &err);
	if (r < 0 && r != -ENOENT) {
		doctor_note(d, DOCTOR_PROBLEM, "", "%s", err.msg);
		return;
	}
	/* A login goes without limits that are all optional, but not without files that are in an image already. */
	bool must = policy_required_storage(&user->policy) || (r == 0 && usage.method == STORAGE_IMAGE);
	/* Files that no limit has held for so far get the method of new ones at the next login. */
	const char *waits = r == 0 && usage.method == STORAGE_PLAIN ? limit_that_waits(user) : NULL;
	if (usage.method == STORAGE_PLAIN && limited)
		usage.method = storage_method_for(limits);
	if (waits)
		doctor_note(d, DOCTOR_PROBLEM, "have them log out, or carrelctl kill",
			    "'%s' takes effect when their open sessions have ended, and no other is opened "
			    "before",
			    waits);
	else if (usage.method == STORAGE_IMAGE && disk_image_available(&err) < 0)
		doctor_note(d, must ? DOCTOR_PROBLEM : DOCTOR_WARNING,
			    "project quotas, or loop devices (modprobe loop) and mkfs.ext4 (e2fsprogs)",
			    "limits of disk space need a disk image, and %s", err.msg);
	else if (usage.bytes != UNIT_NONE && usage.bytes_limit != UNIT_NONE &&
		 usage.bytes >= usage.bytes_limit / 100 * 95)
		doctor_note(d, DOCTOR_WARNING, "have them delete some, or raise user_limits.disk",
			    "nearly all of their disk space is used");
	else
		doctor_ok(d, "limits of disk space: %s", storage_method_name(usage.method));
}

/* --- what of the host is shared with them --- */

/* As the keeper looks for it, but for the rights: what is wrong here may be right for the user, never the reverse. */
static void check_ssh_dir(struct doctor *d, const struct doctor_user *user)
{
	struct carrel_error err = { 0 };

	d->what = "home";
	if (!user->policy.share_ssh_dir)
		return;
	_cleanup_close_ int home = fs_openat2(AT_FDCWD, user->facts.home, O_PATH | O_DIRECTORY, 0,
					      RESOLVE_NO_MAGICLINKS);
	_cleanup_close_ int ssh = home < 0 ? home : fs_open_child(home, ".ssh", O_PATH | O_DIRECTORY);
	int r = ssh >= 0 ? doctor_try_idmap(d, ssh, &err) : 0;
	if (home < 0)
		doctor_note(d, DOCTOR_WARNING, "make it, or correct it in passwd",
			    "~/.ssh is not shared: the home '%.200s': %s", user->facts.home, strerror(-home));
	else if (ssh == -ENOENT)
		doctor_ok(d, "~/.ssh is made at the first login");
	else if (ssh < 0)
		doctor_note(d, DOCTOR_WARNING, "make it a directory in the home's own filesystem",
			    "~/.ssh is not shared: %s", strerror(-ssh));
	else if (r < 0)
		doctor_note(d, DOCTOR_WARNING,
			    "a home on ext4, xfs, btrfs or another that can be idmapped; else share_ssh_dir "
			    "= false",
			    "~/.ssh is not shared: its filesystem cannot show other owners");
	else
		doctor_ok(d, "~/.ssh is shared");
}

static void check_host_home(struct doctor *d, const struct doctor_user *user)
{
	struct carrel_error err = { 0 };

	if (user->policy.home != HOME_HOST)
		return;
	d->what = "home";
	_cleanup_close_ int fd = host_source_open_home(&user->facts, &err);
	if (fd < 0)
		doctor_note(d, DOCTOR_PROBLEM, "correct it, or home = \"private\"",
			    "locked out: the home '%.200s' cannot be used: %s", user->facts.home, err.msg);
	else if (doctor_try_idmap(d, fd, &err) < 0)
		doctor_note(
			d, DOCTOR_PROBLEM,
			"a home on ext4, xfs, btrfs or another that can be idmapped, or home = \"private\"",
			"locked out: the filesystem of the home '%.200s' cannot show other owners",
			user->facts.home);
	doctor_user_home(d, user);
}

static int try_bind(const struct doctor *d, const struct doctor_user *user, const struct bind_mount *bind,
		    struct carrel_error *err)
{
	char source[BIND_PATH_MAX + 1], target[BIND_PATH_MAX + 1];
	struct carrel_error ignored = { 0 };
	struct stat st;

	if (bind_expand(bind->source, &user->facts, source) ||
	    bind_expand(bind->target, &user->facts, target))
		return error_set(err, ENAMETOOLONG, "the user's name cannot be put into it");
	_cleanup_close_ int fd = host_source_open(source, &st, err);
	if (fd < 0)
		return fd;
	_cleanup_close_ int image = image_open(user->policy.image, &ignored);
	int r = image < 0 ? 0 : host_source_check_target(image, target, &st, err);
	return r < 0 ? r : doctor_try_idmap(d, fd, err);
}

static void check_binds(struct doctor *d, const struct doctor_user *user)
{
	struct carrel_error err = { 0 };

	d->what = "binds";
	for (const struct bind_mount *bind = user->policy.binds; bind; bind = bind->next) {
		int r = try_bind(d, user, bind, &err);
		if (r >= 0)
			doctor_ok(d, "'%s' at '%s'", bind->source, bind->target);
		else if (host_source_may_be_left_out(bind, r))
			doctor_note(d, DOCTOR_WARNING, "", "goes without '%s' at '%s': %s", bind->source,
				    bind->target, err.msg);
		else
			doctor_note(d, DOCTOR_PROBLEM, "correct it; optional = true where it may be missing",
				    "locked out: '%s' at '%s': %s", bind->source, bind->target, err.msg);
	}
}

/* --- all of it --- */

void doctor_check_user(struct doctor *d, struct doctor_user *user)
{
	d->what = "user";
	doctor_ok(d, "%s: %s%s", user->policy.covered ? "covered" : "not covered", user->policy.why,
		  user->policy.covered && !is_enforced(user) ? "; 'mode' is not \"enforce\"" : "");
	check_shell(d, user);
	doctor_user_sshd(d, user);
	if (!user->policy.covered)
		return;
	check_image(d, user);
	check_ids(d, user);
	check_limits(d, user);
	check_disk(d, user);
	check_ssh_dir(d, user);
	check_host_home(d, user);
	check_binds(d, user);
}
