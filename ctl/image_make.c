/* image_make.c - see image_make.h. Run by `carrelctl image import`, `fetch` and `build`, as root. */
#include "image_make.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "ctl.h"
#include "image_bundle.h"
#include "image_tree.h"

#define OS_RELEASE_MAX 16384

/* The child reads the file through our own open description, so the offset is how far it is. */
static int attend(struct image_make *make, struct extract *extract, int archive_fd, uint64_t size,
		  struct carrel_error *err)
{
	for (;;) {
		struct pollfd pollers[] = { { .fd = extract->report_fd, .events = POLLIN } };
		int r = progress_wait(&make->progress, pollers, 1, err);
		if (r < 0)
			return r;
		if (r > 0)
			return extract_finish(extract, &make->report, err);
		off_t at = lseek(archive_fd, 0, SEEK_CUR);
		progress_show(&make->progress, at > 0 ? (uint64_t)at : 0, size);
	}
}

int image_make_unpack(struct image_make *make, int archive_fd, bool layer, struct carrel_error *err)
{
	struct extract extract;
	struct stat st;

	if (fstat(archive_fd, &st) < 0)
		return error_errno(err, "cannot look at the archive");
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "it is not a regular file");
	int r = extract_start(&extract, archive_fd, make->staging.rootfs_fd, layer, &make->report, err);
	if (r < 0)
		return r;
	r = attend(make, &extract, archive_fd, (uint64_t)st.st_size, err);
	extract_abort(&extract);
	progress_clear(&make->progress);
	return r;
}

int image_make_from_archive(struct image_make *make, int archive_fd, struct carrel_error *err)
{
	progress_step(&make->progress, "importing %s", make->name);
	int r = image_make_unpack(make, archive_fd, false, err);
	if (r < 0)
		return r;
	/* Of what was unpacked, and not of what the file's name leads to before or after. */
	if (make->sha512 && strcmp(make->report.sha512, make->sha512) != 0)
		return error_set(err, EBADMSG, "its SHA-512 begins with %.16s, and should with %.16s",
				 make->report.sha512, make->sha512);
	return text_format(make->manifest.digest, sizeof(make->manifest.digest), "sha512:%s",
			   make->report.sha512);
}

/* A sandbox whose image has no shell can only fail at the login, when nobody who could mend it is looking. */
static int check_shell(const struct image_make *make, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = fs_openat2(make->staging.rootfs_fd, "bin/sh", O_PATH, 0,
					    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return error_set(err, ENOENT, "no /bin/sh in the image");
	return 0;
}

static int add_sftp(struct image_make *make, struct carrel_error *err)
{
	static const char *const words[] = {
		[BUNDLE_NOT_NEEDED] = "image",
		[BUNDLE_DONE] = "host",
		[BUNDLE_NO_SOURCE] = "none",
	};
	const char *word = "none";

	if (make->want_sftp) {
		int r = bundle_sftp(make->staging.rootfs_fd, err);
		if (r < 0)
			return r;
		word = words[r];
	}
	return text_format(make->manifest.sftp, sizeof(make->manifest.sftp), "%s", word);
}

static void read_os_name(struct image_make *make)
{
	char text[OS_RELEASE_MAX];
	_cleanup_close_ int fd = fs_openat2(make->staging.rootfs_fd, "etc/os-release",
					    O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
					    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd >= 0 && fs_read_fd(fd, text, sizeof(text)) >= 0)
		image_os_name(text, make->manifest.os, sizeof(make->manifest.os));
}

static int list_files(struct image_make *make, struct carrel_error *err)
{
	const struct tree_walk walk = { .rootfs_fd = make->staging.rootfs_fd,
					.progress = &make->progress,
					.entries_expected = make->report.entries };
	char hex[DIGEST_HEX_MAX];

	progress_step(&make->progress, "listing %s", make->name);
	int r = tree_write(&walk, make->staging.fd, hex, err);
	progress_clear(&make->progress);
	return r < 0 ? r : text_format(make->manifest.tree, sizeof(make->manifest.tree), "sha256:%s", hex);
}

static int write_manifest(struct image_make *make, struct carrel_error *err)
{
	struct image_manifest *manifest = &make->manifest;

	manifest->imported = (uint64_t)time(NULL);
	manifest->bytes = make->report.bytes;
	manifest->entries = make->report.entries;
	int r = text_format(manifest->name, sizeof(manifest->name), "%s", make->name);
	return r < 0 ? r : image_write_manifest(make->staging.fd, manifest, err);
}

static int check_name_is_free(const struct image_make *make, struct carrel_error *err)
{
	/* The rename at the end decides; this only spares the work. */
	if (faccessat(make->staging.images_fd, make->name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	return error_set(err, EEXIST, "image '%s' already exists; remove it first or choose another name",
			 make->name);
}

static int make_whole(struct image_make *make, struct carrel_error *err)
{
	int r = staging_open(&make->staging, make->name, err);

	if (r == 0)
		r = check_name_is_free(make, err);
	if (r < 0)
		return r;
	r = make->fill(make, err);
	if (r == 0)
		r = check_shell(make, err);
	if (r == 0)
		r = add_sftp(make, err);
	if (r == 0)
		r = list_files(make, err);
	if (r < 0)
		return make->progress.signal ? r : error_context(err, "cannot import '%s'", make->from);
	read_os_name(make);
	r = write_manifest(make, err);
	if (r == 0)
		r = progress_check(&make->progress, err);
	return r < 0 ? r : staging_commit(&make->staging, make->name, err);
}

static void report_done(const struct image_make *make)
{
	const struct extract_report *report = &make->report;

	printf("imported image '%s': %" PRIu64 " entries, %" PRIu64 " bytes\n", make->name, report->entries,
	       report->bytes);
	if (strcmp(make->manifest.sftp, "host") == 0)
		puts("added this host's sftp-server and scp, as far as the image has none (--no-sftp leaves "
		     "them out)");
	else if (make->want_sftp && strcmp(make->manifest.sftp, "none") == 0)
		puts("neither the image nor this host has an sftp-server: sftp will not work");
	if (report->skipped)
		printf("left out %" PRIu64 " device node%s and sockets: a sandbox has its own /dev\n",
		       report->skipped, report->skipped == 1 ? "" : "s");
	if (report->stripped)
		printf("left out %" PRIu64 " extended attribute%s, such as file capabilities\n",
		       report->stripped, report->stripped == 1 ? "" : "s");
}

int image_make(struct image_make *make)
{
	struct carrel_error err = { 0 }, cleanup_err = { 0 };

	make->progress = (struct progress)PROGRESS_NONE;
	make->staging = (struct staging)STAGING_NONE;
	int r = progress_start(&make->progress, "interrupted; nothing was imported", &err);
	if (r == 0)
		r = make_whole(make, &err);
	progress_clear(&make->progress);
	if (staging_close(&make->staging, &cleanup_err) < 0)
		ctl_fail(&cleanup_err);
	if (r < 0)
		ctl_fail(&err);
	else
		report_done(make);
	progress_end(&make->progress);
	return r < 0 ? CTL_FAILED : CTL_DONE;
}
