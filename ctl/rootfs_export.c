/*
 * rootfs_export.c - `carrelctl rootfs export`: the root filesystem as its sessions see it, with the home, as a tar archive.
 *
 * Owners are those inside. The file gets its name when it is whole.
 */
#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "core/paths.h"
#include "core/policy.h"
#include "core/text.h"
#include "core/user.h"
#include "ctl.h"
#include "layer.h"
#include "progress.h"
#include "rootfs.h"
#include "sparse.h"

#define INTERRUPTED "interrupted; nothing was exported"

/* What an archive cannot hold, or could hold and no reader be sure to understand: counted, and told at the end. */
enum left_out { SOCKETS, DEEP, ACLS, ATTRIBUTES, LEFT_OUT_MAX };

struct export
{
	struct archive *archive;
	struct archive_entry_linkresolver *links;
	struct idmap ids;
	char home[300];	    /* where the home is inside: "/root" */
	const char *prefix; /* of paths: "" for the root filesystem, the home's place for the home */
	struct progress *progress;
	uint64_t left_out[LEFT_OUT_MAX];
	char list[XATTR_LIST_MAX], value[XATTR_SIZE_MAX];
};

static int archive_error(struct archive *archive, struct carrel_error *err)
{
	int code = archive_errno(archive);

	return error_set(err, code > 0 ? code : EIO, "cannot write the archive: %s",
			 archive_error_string(archive) ? archive_error_string(archive) : "unknown error");
}

/* A capability that counts in the user's block is a plain one inside. Returns its size there. */
static size_t plain_capability(const struct export *export, char *value, ssize_t size)
{
	struct vfs_ns_cap_data data;

	if (size != (ssize_t)sizeof(data))
		return 0;
	memcpy(&data, value, sizeof(data));
	if (le32toh(data.rootid) != export->ids.uid_base)
		return 0;
	uint32_t magic = le32toh(data.magic_etc);
	data.magic_etc = htole32((magic & ~(uint32_t)VFS_CAP_REVISION_MASK) | VFS_CAP_REVISION_2);
	memcpy(value, &data, XATTR_CAPS_SZ_2);
	return XATTR_CAPS_SZ_2;
}

/* One attribute of the file at `path`. False: it has one that is left out. */
static bool add_xattr(struct export *export, const char *path, const char *name, struct archive_entry *to)
{
	bool capability = strcmp(name, "security.capability") == 0;

	if (!capability && strncmp(name, "user.", 5) != 0)
		return true;
	ssize_t n = getxattr(path, name, export->value, sizeof(export->value));
	if (n < 0)
		return errno == ENODATA; /* a live session has removed it */
	size_t used = capability ? plain_capability(export, export->value, n) : (size_t)n;
	if (used || !capability)
		archive_entry_xattr_add_entry(to, name, export->value, used);
	return true;
}

static void add_xattrs(struct export *export, int fd, struct archive_entry *to)
{
	char path[FS_MAGIC_MAX];
	bool acl = false, all = true;

	ssize_t size = listxattr(fs_magic_path(path, fd), export->list, sizeof(export->list));
	if (size < 0 && errno != EOPNOTSUPP)
		all = false;
	for (const char *name = export->list; size > 0 && name < export->list + size;
	     name += strlen(name) + 1) {
		acl = acl || strncmp(name, "system.posix_acl_", 17) == 0;
		all = add_xattr(export, path, name, to) && all;
	}
	export->left_out[ACLS] += acl;
	export->left_out[ATTRIBUTES] += !all;
}

static int describe(struct export *export, const struct layer_entry *from, int fd, struct archive_entry *to,
		    struct carrel_error *err)
{
	_cleanup_free_ char *path = NULL;
	char target[PATH_MAX];
	struct stat st = from->st;

	st.st_uid -= export->ids.uid_base;
	st.st_gid -= export->ids.gid_base;
	if (st.st_uid >= IDMAP_COUNT || st.st_gid >= IDMAP_COUNT)
		st.st_uid = st.st_gid = 65534; /* as it is seen inside */
	if (asprintf(&path, ".%s%s", export->prefix, from->path) < 0) {
		path = NULL;
		return error_set(err, ENOMEM, "out of memory");
	}
	if (path[strlen(path) - 1] == '/' && path[2])
		path[strlen(path) - 1] = '\0';
	archive_entry_copy_stat(to, &st);
	archive_entry_copy_pathname(to, path);
	if (S_ISLNK(st.st_mode)) {
		ssize_t n = readlinkat(from->dirfd, from->name, target, sizeof(target) - 1);
		if (n < 0)
			return error_errno(err, "cannot read a link");
		target[n] = '\0';
		archive_entry_copy_symlink(to, target);
	}
	add_xattrs(export, fd, to);
	return 0;
}

static int write_entry(struct export *export, struct archive_entry *entry, int fd, struct carrel_error *err)
{
	bool content = archive_entry_size(entry) > 0 && fd >= 0;
	int r = content ? sparse_describe(fd, entry, err) : 0;

	if (r < 0)
		return r;
	if (archive_write_header(export->archive, entry) < ARCHIVE_WARN)
		return archive_error(export->archive, err);
	return content ? sparse_write(export->archive, entry, fd, export->progress, err) : 0;
}

static int export_entry(const struct layer_entry *from, void *arg, struct carrel_error *err)
{
	struct export *export = arg;
	bool regular = S_ISREG(from->st.st_mode);
	size_t home = strlen(export->home);

	/* In a session the home is mounted over what the root filesystem has in its place. */
	if (!*export->prefix && strncmp(from->path, export->home, home) == 0 &&
	    (!from->path[home] || from->path[home] == '/'))
		return 0;
	/* Each entry has its whole path: of a tree as deep as its user likes, nobody could open them. */
	bool deep = strlen(export->prefix) + strlen(from->path) >= PATH_MAX;
	if (deep || S_ISSOCK(from->st.st_mode)) {
		export->left_out[deep ? DEEP : SOCKETS]++;
		return 0;
	}
	if (progress_check(export->progress, err) < 0)
		return -EINTR;
	_cleanup_close_ int fd = fs_open_child(from->dirfd, from->name, regular ? O_RDONLY : O_PATH);
	if (fd == -ENOENT)
		return 0; /* a live session has removed it */
	if (fd < 0)
		return error_set(err, -fd, "cannot open a file: %s", strerror(-fd));
	struct archive_entry *entry = archive_entry_new(), *more = NULL;
	int r = entry ? describe(export, from, fd, entry, err) : error_set(err, ENOMEM, "out of memory");
	if (r == 0) {
		archive_entry_linkify(export->links, &entry, &more);
		r = write_entry(export, entry, regular ? fd : -EBADF, err);
	}
	archive_entry_free(entry);
	return r;
}

/* Where the policy has the home; without one that can be read, where it is by default. */
static void find_home(struct export *export, const struct rootfs *rootfs)
{
	struct config *config = NULL;
	struct user_facts user = { 0 };
	struct policy policy;

	(void)snprintf(export->home, sizeof(export->home), "/root");
	if (user_facts_get(rootfs->owner.name, &user, NULL) == 0 &&
	    config_load(CARREL_CONF, &config, NULL, NULL, NULL) == 0 &&
	    policy_decide(config, &user, &policy, NULL) == 0 && policy.login_as == LOGIN_USER)
		(void)snprintf(export->home, sizeof(export->home), "/home/%s", rootfs->owner.name);
	user_facts_clear(&user);
	config_free(config);
}

static int export_both(struct export *export, struct rootfs *rootfs, struct carrel_error *err)
{
	int r = idmap_read(rootfs->lock_fd, &export->ids, err);

	if (r < 0)
		return r;
	find_home(export, rootfs);
	_cleanup_close_ int home = openat(rootfs->content_fd, "home",
					  O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int merged = rootfs_merged(rootfs, err);
	if (merged < 0)
		return merged;
	export->prefix = "";
	r = layer_walk(merged, NULL, 0, export_entry, export, err);
	if (r < 0 || home < 0)
		return r;
	export->prefix = export->home;
	return layer_walk(home, NULL, 0, export_entry, export, err);
}

static void tell_left_out(const struct export *export)
{
	static const char *const reasons[] = {
		[SOCKETS] = "sockets left out: an archive cannot hold any",
		[DEEP] = "files left out: their paths are too long to be opened",
		[ACLS] = "files without their access control lists",
		[ATTRIBUTES] = "files without all of their extended attributes, which cannot be read",
	};

	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (export->left_out[i])
			ctl_warning("%llu %s", (unsigned long long)export->left_out[i], reasons[i]);
}

static int export_to(int fd, struct rootfs *rootfs, struct progress *progress, struct carrel_error *err)
{
	struct export *export = calloc(1, sizeof(*export));
	int r = 0;

	if (!export)
		return error_set(err, ENOMEM, "out of memory");
	export->progress = progress;
	export->archive = archive_write_new();
	export->links = archive_entry_linkresolver_new();
	if (!export->archive || !export->links)
		r = error_set(err, ENOMEM, "out of memory");
	else if (archive_write_set_format_pax_restricted(export->archive) != ARCHIVE_OK ||
		 archive_write_open_fd(export->archive, fd) != ARCHIVE_OK)
		r = archive_error(export->archive, err);
	if (r == 0) {
		archive_entry_linkresolver_set_strategy(export->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
		r = export_both(export, rootfs, err);
	}
	if (r == 0 && archive_write_close(export->archive) != ARCHIVE_OK)
		r = archive_error(export->archive, err);
	if (r < 0 && export->archive)
		(void)archive_write_fail(export->archive); /* closing must not make it look whole */
	if (r == 0)
		tell_left_out(export);
	archive_write_free(export->archive);
	archive_entry_linkresolver_free(export->links);
	free(export);
	return r;
}

/*
 * Beside FILE, until it is whole. What an export that was killed has left there is root's own; anything else is somebody's, and
 * in a directory of others it may be a trap. Before the mount namespace changes. Descriptor or -errno.
 */
static int make_part(const char *part, struct carrel_error *err)
{
	struct stat st;

	if (lstat(part, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid())
		(void)unlink(part);
	int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? error_errno(err, "cannot make '%s'", part) : fd;
}

/* Never over a file that is there. NFS, among others, has no such rename, but links. 0, or -1 with errno. */
static int give_name(const char *part, const char *file)
{
	if (renameat2(AT_FDCWD, part, AT_FDCWD, file, RENAME_NOREPLACE) == 0)
		return 0;
	return errno == EINVAL && link(part, file) == 0 ? unlink(part) : -1;
}

static int export_to_file(const char *file, const char *part, struct rootfs *rootfs,
			  struct progress *progress, struct carrel_error *err)
{
	_cleanup_close_ int fd = make_part(part, err);
	if (fd < 0)
		return fd;
	int r = export_to(fd, rootfs, progress, err);
	if (r == 0 && (fsync(fd) < 0 || give_name(part, file) < 0))
		r = error_errno(err, "cannot write '%s'", file);
	if (r < 0)
		(void)unlink(part);
	return r;
}

int verb_rootfs_export(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct progress progress = PROGRESS_NONE;
	struct carrel_error err = { 0 };
	const char *file = args->words[1];
	bool pipe = strcmp(file, "-") == 0;
	char part[PATH_MAX];

	if (rootfs_find(&rootfs, args->words[0], &err) < 0)
		return ctl_fail(&err);
	if (pipe && isatty(STDOUT_FILENO))
		return ctl_usage("an archive is not for a terminal");
	if (!pipe && access(file, F_OK) == 0)
		return ctl_fail((error_set(&err, EEXIST, "'%s' exists already", file), &err));
	if (text_format(part, sizeof(part), "%s.part", file) < 0)
		return ctl_usage("the name of the file is too long");
	int r = rootfs_look(&rootfs, &err);
	/* Into a pipe nothing is left behind, and whoever reads it may keep us waiting: signals stay as they are. */
	if (r == 0 && !pipe)
		r = progress_start(&progress, INTERRUPTED, &err);
	if (r == 0)
		r = pipe ? export_to(STDOUT_FILENO, &rootfs, &progress, &err)
			 : export_to_file(file, part, &rootfs, &progress, &err);
	int status = r < 0 ? ctl_fail(&err) : CTL_DONE;
	progress_end(&progress);
	return status;
}
