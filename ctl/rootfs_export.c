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
#include "rootfs.h"

#define CHUNK (128 * 1024)

struct export
{
	struct archive *archive;
	struct archive_entry_linkresolver *links;
	struct idmap ids;
	char home[300];	    /* where the home is inside: "/root" */
	const char *prefix; /* of paths: "" for the root filesystem, the home's place for the home */
	uint64_t skipped;
	char *chunk;
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

static void add_xattrs(struct export *export, int fd, struct archive_entry *to)
{
	char path[FS_MAGIC_MAX], list[16384], value[4096];

	ssize_t size = listxattr(fs_magic_path(path, fd), list, sizeof(list));
	for (const char *name = list; size > 0 && name < list + size; name += strlen(name) + 1) {
		bool capability = strcmp(name, "security.capability") == 0;
		if (!capability && strncmp(name, "user.", 5) != 0)
			continue;
		ssize_t n = getxattr(path, name, value, sizeof(value));
		size_t used = n < 0 ? 0 : capability ? plain_capability(export, value, n) : (size_t)n;
		if (used || (n == 0 && !capability))
			archive_entry_xattr_add_entry(to, name, value, used);
	}
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

/* The header has said how much there is: a file that a live session changes meanwhile is cut or filled up. */
static int write_content(struct export *export, int fd, uint64_t size, struct carrel_error *err)
{
	while (size > 0) {
		size_t want = size > CHUNK ? CHUNK : (size_t)size;
		ssize_t n = read(fd, export->chunk, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_errno(err, "cannot read a file");
		if (n == 0) {
			memset(export->chunk, 0, want);
			n = (ssize_t)want;
		}
		if (archive_write_data(export->archive, export->chunk, (size_t)n) < 0)
			return archive_error(export->archive, err);
		size -= (uint64_t)n;
	}
	return 0;
}

static int write_entry(struct export *export, struct archive_entry *entry, int fd, struct carrel_error *err)
{
	if (archive_write_header(export->archive, entry) < ARCHIVE_WARN)
		return archive_error(export->archive, err);
	return archive_entry_size(entry) > 0 && fd >= 0
		       ? write_content(export, fd, (uint64_t)archive_entry_size(entry), err)
		       : 0;
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
	if (S_ISSOCK(from->st.st_mode)) {
		export->skipped++;
		return 0;
	}
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

static int export_to(int fd, struct rootfs *rootfs, struct carrel_error *err)
{
	struct export export = { .archive = archive_write_new(), .links = archive_entry_linkresolver_new() };
	int r = 0;

	export.chunk = malloc(CHUNK);
	if (!export.archive || !export.links || !export.chunk)
		r = error_set(err, ENOMEM, "out of memory");
	else if (archive_write_set_format_pax_restricted(export.archive) != ARCHIVE_OK ||
		 archive_write_open_fd(export.archive, fd) != ARCHIVE_OK)
		r = archive_error(export.archive, err);
	if (r == 0) {
		archive_entry_linkresolver_set_strategy(export.links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
		r = export_both(&export, rootfs, err);
	}
	if (r == 0 && archive_write_close(export.archive) != ARCHIVE_OK)
		r = archive_error(export.archive, err);
	if (r < 0 && export.archive)
		(void)archive_write_fail(export.archive); /* closing must not make it look whole */
	if (r == 0 && export.skipped)
		ctl_warning("%llu socket%s left out: an archive cannot hold any",
			    (unsigned long long)export.skipped, export.skipped == 1 ? " was" : "s were");
	archive_write_free(export.archive);
	archive_entry_linkresolver_free(export.links);
	free(export.chunk);
	return r;
}

int verb_rootfs_export(const struct ctl_args *args)
{
	_cleanup_rootfs_ struct rootfs rootfs = ROOTFS_NONE;
	struct carrel_error err = { 0 };
	const char *file = args->words[1];
	char part[PATH_MAX];

	if (rootfs_find(&rootfs, args->words[0], &err) < 0)
		return ctl_fail(&err);
	if (strcmp(file, "-") == 0) {
		if (isatty(STDOUT_FILENO))
			return ctl_usage("an archive is not for a terminal");
		return rootfs_look(&rootfs, &err) < 0 || export_to(STDOUT_FILENO, &rootfs, &err) < 0
			       ? ctl_fail(&err)
			       : CTL_DONE;
	}
	if (access(file, F_OK) == 0)
		return ctl_fail((error_set(&err, EEXIST, "'%s' exists already", file), &err));
	if (text_format(part, sizeof(part), "%s.part", file) < 0)
		return ctl_usage("the name of the file is too long");
	if (rootfs_look(&rootfs, &err) < 0)
		return ctl_fail(&err);
	/* Before the mount namespace changes. */
	_cleanup_close_ int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return ctl_fail((error_errno(&err, "cannot make '%s'", part), &err));
	int r = export_to(fd, &rootfs, &err);
	if (r == 0 && (fsync(fd) < 0 || renameat2(AT_FDCWD, part, AT_FDCWD, file, RENAME_NOREPLACE) < 0))
		r = error_errno(&err, "cannot write '%s'", file);
	if (r == 0)
		return CTL_DONE;
	(void)unlink(part);
	return ctl_fail(&err);
}
