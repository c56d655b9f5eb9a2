/*
 * image_busybox.c - `carrelctl image build busybox`: a base image of nothing but this host's static busybox, a shell and
 * the usual small tools without a package manager. For trying Carrel where no Alpine can be had.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "ctl.h"
#include "image_make.h"

#define LIST_MAX  65536
#define IN_IMAGE  "/bin/busybox"
#define HEADS_MAX 64

static const char *const candidates[] = { "/bin/busybox", "/usr/bin/busybox",
					  "/usr/lib/busybox/busybox-static", "/bin/busybox.static" };

static const struct {
	const char *path;
	mode_t mode;
} directories[] = {
	{ "bin", 0755 },  { "sbin", 0755 }, { "usr", 0755 },	 { "usr/bin", 0755 }, { "usr/sbin", 0755 },
	{ "etc", 0755 },  { "dev", 0755 },  { "proc", 0755 },	 { "sys", 0755 },     { "run", 0755 },
	{ "tmp", 01777 }, { "root", 0700 }, { "home", 0755 },	 { "mnt", 0755 },     { "opt", 0755 },
	{ "srv", 0755 },  { "var", 0755 },  { "var/log", 0755 },
};

static const struct {
	const char *path;
	mode_t mode;
	const char *text;
} files[] = {
	{ "etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n" },
	{ "etc/group", 0644, "root:x:0:\ntty:x:5:\nusers:x:100:\nnogroup:x:65533:\nnobody:x:65534:\n" },
	{ "etc/shadow", 0640, "root:*::0:::::\nnobody:!::0:::::\n" },
	{ "etc/shells", 0644, "/bin/sh\n" },
	{ "etc/profile", 0644,
	  "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nPS1='\\u@\\h:\\w\\$ "
	  "'\n" },
};

/* Whether it needs no loader, and so nothing of this host's. */
static bool is_static(int fd)
{
	ElfW(Phdr) heads[HEADS_MAX];
	ElfW(Ehdr) elf;

	if (pread(fd, &elf, sizeof(elf), 0) != sizeof(elf) || memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 ||
	    elf.e_phentsize != sizeof(heads[0]) || elf.e_phnum > HEADS_MAX)
		return false;
	ssize_t size = (ssize_t)(elf.e_phnum * sizeof(heads[0]));
	if (pread(fd, heads, (size_t)size, (off_t)elf.e_phoff) != size)
		return false;
	for (size_t i = 0; i < elf.e_phnum; i++)
		if (heads[i].p_type == PT_INTERP)
			return false;
	return true;
}

static int find_busybox(const char **path, struct carrel_error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(candidates); i++) {
		_cleanup_close_ int fd = open(candidates[i], O_RDONLY | O_CLOEXEC);
		if (fd < 0 || !is_static(fd))
			continue;
		*path = candidates[i];
		return steal_fd(&fd);
	}
	return error_set(err, ENOENT,
			 "there is no static busybox on this host (Debian package busybox-static)");
}

static int copy_busybox(struct image_make *make, int from, struct carrel_error *err)
{
	_cleanup_close_ int to = openat(make->staging.rootfs_fd, IN_IMAGE + 1,
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	_cleanup_digest_ struct digest *digest = digest_new(512);
	char buffer[65536], hex[DIGEST_HEX_MAX];
	ssize_t n;

	if (to < 0 || !digest)
		return error_errno(err, "cannot make '" IN_IMAGE "'");
	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		if (write(to, buffer, (size_t)n) != n)
			return error_errno(err, "cannot write '" IN_IMAGE "'");
		digest_add(digest, buffer, (size_t)n);
		make->report.bytes += (uint64_t)n;
	}
	if (n < 0 || fchmod(to, 0755) < 0 || digest_finish(digest, hex) < 0)
		return error_errno(err, "cannot copy busybox");
	make->report.entries++;
	return text_format(make->manifest.digest, sizeof(make->manifest.digest), "sha512:%s", hex);
}

static int make_directories(struct image_make *make, struct carrel_error *err)
{
	int rootfs = make->staging.rootfs_fd;

	for (size_t i = 0; i < ARRAY_SIZE(directories); i++, make->report.entries++)
		if (mkdirat(rootfs, directories[i].path, 0700) < 0 ||
		    fchmodat(rootfs, directories[i].path, directories[i].mode, 0) < 0)
			return error_errno(err, "cannot make '/%s'", directories[i].path);
	if (symlinkat("../run", rootfs, "var/run") < 0)
		return error_errno(err, "cannot make '/var/run'");
	make->report.entries++;
	return 0;
}

static int write_file(struct image_make *make, const char *path, mode_t mode, const char *text,
		      struct carrel_error *err)
{
	size_t size = strlen(text);
	_cleanup_close_ int fd = openat(make->staging.rootfs_fd, path,
					O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, text, size) != (ssize_t)size || fchmod(fd, mode) < 0)
		return error_errno(err, "cannot write '/%s'", path);
	make->report.entries++;
	make->report.bytes += size;
	return 0;
}

static int write_files(struct image_make *make, struct carrel_error *err)
{
	char text[8192], host[128] = "", release[320];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && r == 0; i++)
		r = write_file(make, files[i].path, files[i].mode, files[i].text, err);
	_cleanup_close_ int fd = open("/etc/os-release", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fs_read_fd(fd, text, sizeof(text)) >= 0)
		image_os_name(text, host, sizeof(host));
	host[strcspn(host, "\"\\$`")] = '\0';
	(void)snprintf(release, sizeof(release),
		       "NAME=\"BusyBox\"\nID=busybox\nPRETTY_NAME=\"BusyBox from %s, no distribution\"\n",
		       host[0] ? host : "this host");
	return r < 0 ? r : write_file(make, "etc/os-release", 0644, release, err);
}

/* One line of `busybox --list-full`: "bin/ash". Below directories that are there. */
static int link_applet(struct image_make *make, const char *line, struct carrel_error *err)
{
	char path[256];

	if (image_entry_path(line, path, sizeof(path)) < 0 || !path[0])
		return error_set(err, EINVAL, "busybox names an applet '%.100s'", line);
	if (symlinkat(IN_IMAGE, make->staging.rootfs_fd, path) == 0)
		make->report.entries++;
	else if (errno != EEXIST)
		return error_errno(err, "cannot make '/%s'", path);
	return 0;
}

static int link_applets(struct image_make *make, const char *busybox, struct carrel_error *err)
{
	static const char *const argv[] = { "busybox", "--list-full", NULL };
	static char list[LIST_MAX];
	_cleanup_close_ int fd = memfd_create("carrel-applets", MFD_CLOEXEC);
	const struct confine confine = { .program = busybox,
					 .package = "busybox-static",
					 .argv = argv,
					 .source_fd = -1,
					 .work_fd = -1,
					 .stdout_fd = fd,
					 .file_max = LIST_MAX - 1 };
	char *rest = NULL;

	if (fd < 0)
		return error_errno(err, "cannot make a temporary file");
	int r = confine_run(&confine, &make->progress, NULL, NULL, err);
	if (r)
		return r < 0 ? r : -EIO;
	if (lseek(fd, 0, SEEK_SET) < 0 || fs_read_fd(fd, list, sizeof(list)) < 0)
		return error_errno(err, "cannot read the list of applets");
	for (const char *line = strtok_r(list, "\n", &rest); line && r == 0;
	     line = strtok_r(NULL, "\n", &rest))
		r = link_applet(make, line, err);
	return r;
}

static int fill_with_busybox(struct image_make *make, struct carrel_error *err)
{
	const char *path = NULL;
	_cleanup_close_ int fd = find_busybox(&path, err);

	if (fd < 0)
		return fd;
	(void)snprintf(make->manifest.source, sizeof(make->manifest.source), "%s", path);
	int r = make_directories(make, err);
	if (r == 0)
		r = copy_busybox(make, fd, err);
	if (r == 0)
		r = write_files(make, err);
	return r < 0 ? r : link_applets(make, path, err);
}

int verb_image_build(const struct ctl_args *args)
{
	struct image_make make = { .name = args->count > 1 ? args->words[1] : args->words[0],
				   .from = args->words[0],
				   .want_sftp = !(args->options & CTL_NO_SFTP),
				   .fill = fill_with_busybox };

	if (strcmp(args->words[0], "busybox") != 0)
		return ctl_usage("only 'busybox' can be built, not '%s'", args->words[0]);
	if (!image_name_valid(make.name))
		return ctl_usage("'%s' is not a name for an image", make.name);
	return image_make(&make);
}
