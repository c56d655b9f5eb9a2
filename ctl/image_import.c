/*
 * image_import.c - `carrelctl image import NAME FILE`: a tar archive becomes a base image, whole or not at all.
 *
 *	stage     an empty directory, locked, out of sight
 *	extract   in a confined child (image_extract.c), while this process shows progress and listens for signals
 *	inspect   is there a shell, what does it call itself
 *	bundle    the host's sftp-server and scp, where it has none
 *	commit    manifest, to disk, renamed to its name
 *
 * Until the last step there is nothing but the staging directory, which goes again on any failure or signal; one
 * that is left by SIGKILL goes with the next import or `carrelctl gc`.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/image.h"
#include "core/text.h"
#include "ctl.h"
#include "image_bundle.h"
#include "image_extract.h"
#include "image_staging.h"

#define PROGRESS_MS    200
#define OS_RELEASE_MAX 16384

struct import {
	const char *name, *file;
	int archive_fd;
	off_t size;
	int signal_fd;
	sigset_t signals, old_signals;
	int signal; /* the one that interrupted, or 0 */
	struct staging staging;
	struct extract_report report;
	bool want_sftp;
	const char *sftp; /* for the manifest */
};

static int open_archive(struct import *import, struct carrel_error *err)
{
	struct stat st;

	import->archive_fd = open(import->file, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (import->archive_fd < 0 || fstat(import->archive_fd, &st) < 0)
		return error_errno(err, "cannot open '%s'", import->file);
	if (!S_ISREG(st.st_mode))
		return error_set(err, EINVAL, "'%s' is not a regular file", import->file);
	import->size = st.st_size;
	return 0;
}

/* Signals that end us are read from a descriptor instead, so that what was begun is put away first. */
static int catch_signals(struct import *import, struct carrel_error *err)
{
	sigemptyset(&import->signals);
	sigaddset(&import->signals, SIGINT);
	sigaddset(&import->signals, SIGTERM);
	sigaddset(&import->signals, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &import->signals, &import->old_signals) < 0)
		return error_errno(err, "cannot block signals");
	import->signal_fd = signalfd(-1, &import->signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return import->signal_fd < 0 ? error_errno(err, "cannot make a signalfd") : 0;
}

static int check_signal(struct import *import, struct carrel_error *err)
{
	struct signalfd_siginfo info;

	if (!import->signal && read(import->signal_fd, &info, sizeof(info)) == sizeof(info))
		import->signal = (int)info.ssi_signo;
	return import->signal ? error_set(err, EINTR, "interrupted; nothing was imported") : 0;
}

/* On a terminal only. The child reads the file through our own open description, so the offset is its progress. */
static void show_progress(const struct import *import, bool end)
{
	off_t at = lseek(import->archive_fd, 0, SEEK_CUR);

	if (!isatty(STDERR_FILENO) || import->size <= 0)
		return;
	if (end)
		fputs("\r\033[K", stderr);
	else
		fprintf(stderr, "\rimporting %s: %3d%%", import->name, (int)(100 * at / import->size));
	(void)fflush(stderr);
}

static int extract(struct import *import, struct carrel_error *err)
{
	struct extract extract;
	int r = extract_start(&extract, import->archive_fd, import->staging.rootfs_fd, err);

	if (r < 0)
		return r;
	for (;;) {
		struct pollfd pollers[] = { { .fd = extract.report_fd, .events = POLLIN },
					    { .fd = import->signal_fd, .events = POLLIN } };
		int ready = poll(pollers, ARRAY_SIZE(pollers), PROGRESS_MS);
		if (ready < 0 && errno != EINTR) {
			r = error_errno(err, "cannot wait for the process that unpacks");
			break;
		}
		r = check_signal(import, err);
		if (r < 0)
			break;
		if (ready > 0 && pollers[0].revents) {
			r = extract_finish(&extract, &import->report, err);
			break;
		}
		show_progress(import, false);
	}
	extract_abort(&extract);
	show_progress(import, true);
	return r;
}

/* A sandbox whose image has no shell can only fail at the login, when nobody who could mend it is looking. */
static int check_shell(const struct import *import, struct carrel_error *err)
{
	struct stat st;
	_cleanup_close_ int fd = fs_openat2(import->staging.rootfs_fd, "bin/sh", O_PATH, 0,
					    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || !(st.st_mode & 0111))
		return error_set(err, ENOENT, "no /bin/sh in the image");
	return 0;
}

static int add_sftp(struct import *import, struct carrel_error *err)
{
	static const char *const words[] = {
		[BUNDLE_NOT_NEEDED] = "image",
		[BUNDLE_DONE] = "host",
		[BUNDLE_NO_SOURCE] = "none",
	};

	import->sftp = "none";
	if (!import->want_sftp)
		return 0;
	int r = bundle_sftp(import->staging.rootfs_fd, err);
	if (r >= 0)
		import->sftp = words[r];
	return r < 0 ? r : 0;
}

static void read_os_name(const struct import *import, char *out, size_t size)
{
	char text[OS_RELEASE_MAX];
	_cleanup_close_ int fd = fs_openat2(import->staging.rootfs_fd, "etc/os-release",
					    O_RDONLY | O_NONBLOCK | O_NOCTTY, 0,
					    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

	out[0] = '\0';
	if (fd >= 0 && fs_read_fd(fd, text, sizeof(text)) >= 0)
		image_os_name(text, out, size);
}

static int write_manifest(const struct import *import, struct carrel_error *err)
{
	const char *slash = strrchr(import->file, '/');
	struct image_manifest manifest = {
		.imported = (uint64_t)time(NULL),
		.bytes = import->report.bytes,
		.entries = import->report.entries,
	};

	(void)snprintf(manifest.name, sizeof(manifest.name), "%s", import->name);
	(void)snprintf(manifest.source, sizeof(manifest.source), "%s", slash ? slash + 1 : import->file);
	(void)snprintf(manifest.sftp, sizeof(manifest.sftp), "%s", import->sftp);
	memcpy(manifest.sha512, import->report.sha512, sizeof(manifest.sha512));
	read_os_name(import, manifest.os, sizeof(manifest.os));
	return image_write_manifest(import->staging.fd, &manifest, err);
}

static int import_image(struct import *import, struct carrel_error *err)
{
	int r = open_archive(import, err);

	if (r == 0)
		r = catch_signals(import, err);
	if (r == 0)
		r = staging_open(&import->staging, import->name, err);
	/* The rename at the end decides; this only spares the work. */
	if (r == 0 && faccessat(import->staging.images_fd, import->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return error_set(err, EEXIST,
				 "image '%s' already exists; remove it first or choose another name",
				 import->name);
	if (r == 0) {
		r = extract(import, err);
		if (r == 0)
			r = check_shell(import, err);
		if (r == 0)
			r = add_sftp(import, err);
		if (r < 0 && !import->signal)
			return error_context(err, "cannot import '%s'", import->file);
	}
	if (r == 0)
		r = write_manifest(import, err);
	if (r == 0)
		r = check_signal(import, err);
	return r < 0 ? r : staging_commit(&import->staging, import->name, err);
}

static void report_done(const struct import *import)
{
	const struct extract_report *report = &import->report;

	printf("imported image '%s': %" PRIu64 " entries, %" PRIu64 " bytes\n", import->name, report->entries,
	       report->bytes);
	if (strcmp(import->sftp, "host") == 0)
		puts("added this host's sftp-server and scp, as far as the image has none (--no-sftp leaves "
		     "them out)");
	else if (import->want_sftp && strcmp(import->sftp, "none") == 0)
		puts("neither the image nor this host has an sftp-server: sftp will not work");
	if (report->skipped)
		printf("left out %" PRIu64 " device node%s and sockets: a sandbox has its own /dev\n",
		       report->skipped, report->skipped == 1 ? "" : "s");
	if (report->stripped)
		printf("left out %" PRIu64 " extended attribute%s, such as file capabilities\n",
		       report->stripped, report->stripped == 1 ? "" : "s");
}

int verb_image_import(const struct ctl_args *args)
{
	struct import import = { .name = args->words[0],
				 .file = args->words[1],
				 .want_sftp = !(args->options & CTL_NO_SFTP),
				 .archive_fd = -EBADF,
				 .signal_fd = -EBADF,
				 .staging = STAGING_NONE };
	struct carrel_error err = { 0 }, cleanup_err = { 0 };

	if (!image_name_valid(import.name))
		return ctl_usage("'%s' is not a name for an image: letters, digits, '.', '_' and '-'",
				 import.name);
	if (strncmp(import.file, "oci:", 4) == 0)
		return ctl_usage("'oci:' is not available in this version");
	int r = import_image(&import, &err);
	if (staging_close(&import.staging, &cleanup_err) < 0)
		ctl_fail(&cleanup_err);
	if (r < 0)
		ctl_fail(&err);
	else
		report_done(&import);
	close_fd(&import.archive_fd);
	if (import.signal_fd >= 0)
		(void)sigprocmask(SIG_SETMASK, &import.old_signals, NULL);
	close_fd(&import.signal_fd);
	/* Die by it, as without us: whoever started us sees an interrupt and not a failure. */
	if (import.signal)
		(void)raise(import.signal);
	return r < 0 ? CTL_FAILED : CTL_DONE;
}
