/* doctor_state.c - checks of what users and sessions have on disk: see doctor.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/disk_image.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "core/paths.h"
#include "core/state.h"
#include "core/storage.h"
#include "core/units.h"
#include "doctor.h"
#include "live.h"

#define LOW_PERCENT 5

/* Not in all versions of linux/magic.h. */
#define MAGIC_FUSE 0x65735546
#define MAGIC_CIFS 0xFF534D42

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Call `visit` for every state, with its directory; `removed` counts those that are being removed. */
static void each_state(struct doctor *d, unsigned *removed,
		       void (*visit)(struct doctor *d, int users_fd, int user_fd, const char *name, uid_t uid,
				     bool kept))
{
	_cleanup_close_ int users = open_dir(CARREL_USERS);
	_cleanup_dir_ DIR *dir = users < 0 ? NULL : fs_opendir(users);
	uid_t uid;
	bool kept;

	if (!dir && errno != ENOENT)
		doctor_note(d, DOCTOR_PROBLEM, "", "cannot read '" CARREL_USERS "': %s", strerror(errno));
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (strncmp(entry->d_name, STATE_REMOVED, strlen(STATE_REMOVED)) == 0)
			(*removed)++;
		if (!state_name_valid(entry->d_name, &uid, &kept))
			continue;
		_cleanup_close_ int user = openat(users, entry->d_name,
						  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (user >= 0)
			visit(d, users, user, entry->d_name, uid, kept);
	}
}

/* --- blocks of ids --- */

static void check_ids(struct doctor *d, int users_fd, int user_fd, const char *name, uid_t uid, bool kept)
{
	struct carrel_error err = { 0 };
	struct state_owner owner;
	struct idmap map;

	int r = idmap_read(user_fd, &map, &err);
	if (r == -ENOENT)
		return;
	if (state_read_owner(user_fd, &owner, NULL) < 0)
		owner.name[0] = '\0';
	int refused = r < 0 || kept ? 0 : idmap_is_refused(users_fd, uid, owner.name, &map, &err);
	if (r < 0)
		doctor_note(d, DOCTOR_PROBLEM, "restore the file 'ids' from a backup", "state '%s': %s", name,
			    err.msg);
	else if (refused < 0)
		doctor_note(d, DOCTOR_PROBLEM, "",
			    "cannot tell whether the block of ids of uid %u is theirs: %s", uid, err.msg);
	else if (refused)
		doctor_note(d, DOCTOR_PROBLEM,
			    "give the other its ids elsewhere; or carrelctl rootfs export and remove: the "
			    "next login "
			    "gets another block",
			    "the block of ids of uid %u, from %u and %u, is not theirs alone: %s", uid,
			    map.uid_base, map.gid_base, err.msg);
}

void doctor_ids(struct doctor *d)
{
	size_t before = d->count;
	unsigned removed = 0;

	each_state(d, &removed, check_ids);
	if (d->count == before)
		doctor_ok(d, "no block of ids overlaps with another, a login or systemd's containers");
}

/* --- what crashes leave --- */

static void check_state(struct doctor *d, int users_fd, int user_fd, const char *name, uid_t uid, bool kept)
{
	if (change_remains(user_fd))
		doctor_note(d, DOCTOR_WARNING, "carrelctl gc, or the user's next login, finishes it",
			    "a change of the root filesystem '%s' was interrupted", name);
	if (kept)
		doctor_note(d, DOCTOR_WARNING,
			    "carrelctl rootfs export, and rootfs remove, with this name; or rootfs adopt, if "
			    "it is the same account after all",
			    "'%s' is kept: the files of an account whose uid another has got", name);
}

static void check_sessions(struct doctor *d)
{
	_cleanup_free_ char **ids = NULL;
	struct carrel_error err = { 0 };
	int n = session_list((uid_t)-1, &ids, &err);

	if (n < 0)
		doctor_note(d, DOCTOR_PROBLEM, "", "%s", err.msg);
	for (int i = 0; i < n; i++) {
		struct live live;

		if (live_read(ids[i], NULL, &live) == 0 && live.state == LIVE_STALE)
			doctor_note(d, DOCTOR_WARNING, "carrelctl gc", "session '%s' has no keeper any more",
				    ids[i]);
	}
}

void doctor_state(struct doctor *d)
{
	size_t before = d->count;
	unsigned removed = 0;

	check_sessions(d);
	each_state(d, &removed, check_state);
	if (removed)
		doctor_note(d, DOCTOR_WARNING, "carrelctl gc, unless somebody is at it",
			    "%u root filesystem%s half removed", removed, removed == 1 ? " is" : "s are");
	if (d->count == before)
		doctor_ok(d, "nothing is left of crashes");
}

/* --- where it is kept --- */

/* The state directory, or the one that it will be made in. */
static const char *state_dir(void)
{
	return access(CARREL_STATE_DIR, F_OK) == 0 ? CARREL_STATE_DIR : "/var/lib";
}

static const char *unfit_filesystem(const struct statfs *fs)
{
	static const struct {
		unsigned long magic;
		const char *name;
	} unfit[] = {
		{ OVERLAYFS_SUPER_MAGIC, "an overlay" },
		{ NFS_SUPER_MAGIC, "NFS" },
		{ MAGIC_CIFS, "CIFS" },
		{ MAGIC_FUSE, "FUSE" },
		{ MSDOS_SUPER_MAGIC, "FAT" },
		{ V9FS_MAGIC, "9p" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(unfit); i++)
		if ((unsigned long)fs->f_type == unfit[i].magic)
			return unfit[i].name;
	return NULL;
}

static void check_mode(struct doctor *d, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode) || st.st_uid != 0 || (st.st_mode & 022))
		doctor_note(d, DOCTOR_PROBLEM, "chown root and chmod go-w, and find out who changed it",
			    "'%s' must be a directory of root's that nobody else can write", path);
	else if (st.st_mode & 077)
		doctor_note(d, DOCTOR_WARNING, "chmod 700", "users of the host can look into '%s'", path);
}

void doctor_storage(struct doctor *d)
{
	const struct limits some = { .disk = 1, .inodes = UNIT_NONE };
	struct carrel_error err = { 0 };
	struct statfs fs;

	check_mode(d, CARREL_STATE_DIR);
	check_mode(d, CARREL_USERS);
	const char *unfit = statfs(state_dir(), &fs) == 0 ? unfit_filesystem(&fs) : NULL;
	if (unfit)
		doctor_note(d, DOCTOR_PROBLEM, "mount ext4, xfs or btrfs at " CARREL_STATE_DIR,
			    "'%s' is on %s, on which no root filesystem can be kept", state_dir(), unfit);
	if (storage_method_for(&some) == STORAGE_PROJECT)
		doctor_ok(d, "limits of disk space would be kept by project quotas");
	else if (disk_image_available(&err) < 0)
		doctor_note(d, DOCTOR_WARNING,
			    "project quotas, or loop devices (modprobe loop) and mkfs.ext4 (e2fsprogs)",
			    "limits of disk space cannot be kept: no project quotas, and %s", err.msg);
	else
		doctor_ok(d, "limits of disk space would be kept by disk images");
}

void doctor_space(struct doctor *d)
{
	char left[32], whole[32];
	struct statvfs fs;

	if (statvfs(state_dir(), &fs) < 0) {
		doctor_note(d, DOCTOR_WARNING, "", "cannot ask for the free space of '%s': %s", state_dir(),
			    strerror(errno));
		return;
	}
	unit_format_about_size(left, sizeof(left), (uint64_t)fs.f_bavail * fs.f_frsize);
	unit_format_about_size(whole, sizeof(whole), (uint64_t)fs.f_blocks * fs.f_frsize);
	if (fs.f_blocks && fs.f_bavail < fs.f_blocks / 100 * LOW_PERCENT)
		doctor_note(d, DOCTOR_WARNING, "carrelctl rootfs list says what everybody takes",
			    "only %s of %s are free in '%s'", left, whole, state_dir());
	else if (fs.f_files && fs.f_favail < fs.f_files / 100 * LOW_PERCENT)
		doctor_note(d, DOCTOR_WARNING, "carrelctl rootfs list says what everybody takes",
			    "only %ju of %ju files can still be made in '%s'", (uintmax_t)fs.f_favail,
			    (uintmax_t)fs.f_files, state_dir());
	else
		doctor_ok(d, "%s of %s are free in '%s'", left, whole, state_dir());
}
