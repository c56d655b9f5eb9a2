/*
 * image_fetch.c - `carrelctl image fetch alpine [VERSION]`: Alpine's minirootfs from its download site, as a base image.
 *
 *	index     which release there is, how large it is, its SHA-512 (alpine.h)
 *	download  into CARREL_DOWNLOADS, going on from what an earlier try has left
 *	check     the SHA-512 of the whole, before anything reads it
 *	import    as from a file
 *
 * The network is curl(1)'s, confined: it sees its libraries, certificates and the resolver's files, and writes to the
 * one descriptor that it is given.
 */
#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "alpine.h"
#include "confine.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/paths.h"
#include "core/text.h"
#include "ctl.h"
#include "image_make.h"
#include "room.h"

#define MIRROR	      "https://dl-cdn.alpinelinux.org/alpine"
#define INDEX_MAX     (1 << 20)
#define DOWNLOAD_MAX  (UINT64_C(1) << 30)
#define CURL_NO_RANGE 33 /* curl(1), EXIT CODES */
#define ENV_MAX	      16
#define URL_MAX	      1024

struct fetch {
	const char *mirror, *arch;
	char branch[ALPINE_VERSION_MAX], exact[ALPINE_VERSION_MAX];
	struct alpine_release release;
	char file[128];		   /* of the archive, at the mirror */
	char part[160];		   /* of what there is of it, in CARREL_DOWNLOADS */
	int downloads_fd, part_fd; /* the latter locked */
	struct progress *progress;
};

/* Proxies, and nothing else of the environment. */
static void pick_environment(const char *env[ENV_MAX])
{
	size_t count = 0;

	env[count++] = "LC_ALL=C";
	for (char **at = environ; *at && count + 1 < ENV_MAX; at++) {
		size_t name = strcspn(*at, "=");
		if (name > 6 && strncasecmp(*at + name - 6, "_proxy", 6) == 0)
			env[count++] = *at;
	}
	env[count] = NULL;
}

/* While curl is at work. What is not yet the archive goes to memory. */
static int watch_download(void *arg, struct carrel_error *err)
{
	struct fetch *fetch = arg;
	struct stat st;
	uint64_t room;

	if (fetch->part_fd < 0)
		return 0;
	if (fstat(fetch->part_fd, &st) < 0)
		return error_errno(err, "cannot look at '%s'", fetch->part);
	if (fetch->release.size) /* that of an older release is not in any index */
		progress_show(fetch->progress, (uint64_t)st.st_size, fetch->release.size);
	else
		progress_show_bytes(fetch->progress, (uint64_t)st.st_size);
	return room_look(fetch->part_fd, 1, &room, err);
}

/* Append what is at MIRROR/BRANCH/releases/ARCH/`name`, from `offset` on, to fd. curl's exit status, or -errno. */
static int run_curl(struct fetch *fetch, const char *name, uint64_t offset, int fd, uint64_t max,
		    struct carrel_error *err)
{
	static const char *const extras[] = { "/etc/resolv.conf",
					      "/etc/hosts",
					      "/etc/host.conf",
					      "/etc/nsswitch.conf",
					      "/etc/gai.conf",
					      "/etc/services",
					      "/etc/ssl/certs",
					      "/etc/ssl/openssl.cnf",
					      "/etc/ca-certificates",
					      "/etc/pki/tls/certs",
					      "/etc/pki/ca-trust/extracted",
					      "/etc/crypto-policies",
					      "/run/systemd/resolve",
					      NULL };
	bool secure = strncmp(fetch->mirror, "https:", 6) == 0;
	char url[URL_MAX], from[32];
	const char *env[ENV_MAX];
	/* No configuration file, no surprises in the address, no step down to plain text; a server that stalls ends it. */
	const char *const argv[] = { "curl",
				     "--disable",
				     "--globoff",
				     "--silent",
				     "--show-error",
				     "--fail",
				     "--location",
				     "--max-redirs",
				     "5",
				     "--proto",
				     "=http,https",
				     "--proto-redir",
				     secure ? "=https" : "=http,https",
				     "--connect-timeout",
				     "15",
				     "--speed-limit",
				     "100",
				     "--speed-time",
				     "30",
				     "--continue-at",
				     from,
				     "--output",
				     "-",
				     "--url",
				     url,
				     NULL };
	const struct confine confine = { .program = "curl",
					 .package = "curl",
					 .argv = argv,
					 .env = env,
					 .extras = extras,
					 .source_fd = -1,
					 .work_fd = -1,
					 .stdout_fd = fd,
					 .file_max = max,
					 .network = true };

	if (text_format(url, sizeof(url), "%s/%s/releases/%s/%s", fetch->mirror, fetch->branch, fetch->arch,
			name) < 0 ||
	    text_format(from, sizeof(from), "%llu", (unsigned long long)offset) < 0)
		return error_set(err, ENAMETOOLONG, "the address is too long");
	pick_environment(env);
	int r = confine_run(&confine, fetch->progress, watch_download, fetch, err);
	return r > 0 ? (error_context(err, "%s", url), r) : r;
}

/* A small text. */
static int get_text(struct fetch *fetch, const char *name, char *text, size_t size, struct carrel_error *err)
{
	_cleanup_close_ int fd = memfd_create("carrel-fetch", MFD_CLOEXEC);

	if (fd < 0)
		return error_errno(err, "cannot make a temporary file");
	int r = run_curl(fetch, name, 0, fd, size - 1, err);
	if (r)
		return r < 0 ? r : -EIO;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, "cannot read '%s'", name);
	ssize_t n = fs_read_fd(fd, text, size);
	return n < 0 ? error_set(err, (int)-n, "cannot read '%s': %s", name, strerror((int)-n)) : 0;
}

static int name_file(struct fetch *fetch, struct carrel_error *err)
{
	if (text_format(fetch->file, sizeof(fetch->file), "alpine-minirootfs-%s-%s.tar.gz",
			fetch->release.version, fetch->arch) < 0 ||
	    text_format(fetch->part, sizeof(fetch->part), "%s.part", fetch->file) < 0)
		return error_set(err, ENAMETOOLONG, "its name is too long");
	return 0;
}

/* A release that is not its branch's latest is there as well, with its digest in a file of its own. */
static int take_older(struct fetch *fetch, struct carrel_error *err)
{
	char line[512], sum[160];

	memcpy(fetch->release.version, fetch->exact, sizeof(fetch->release.version));
	fetch->release.size = 0;
	int r = name_file(fetch, err);
	if (r == 0)
		r = text_format(sum, sizeof(sum), "%s.sha512", fetch->file);
	if (r == 0)
		r = get_text(fetch, sum, line, sizeof(line), err);
	if (r == 0 && alpine_read_sum(line, fetch->file, fetch->release.sha512) < 0)
		r = error_set(err, EBADMSG, "'%s' is not a line of sha512sum", sum);
	return r;
}

static int find_release(struct fetch *fetch, struct carrel_error *err)
{
	static char index[INDEX_MAX];
	int r = get_text(fetch, "latest-releases.yaml", index, sizeof(index), err);
	if (r == 0)
		r = alpine_find(index, fetch->arch, &fetch->release, err);
	if (r < 0)
		return r;
	if (fetch->exact[0] && strcmp(fetch->exact, fetch->release.version) != 0)
		return take_older(fetch, err);
	return name_file(fetch, err);
}

static int open_part(struct fetch *fetch, struct carrel_error *err)
{
	fetch->downloads_fd = fs_ensure_dir(CARREL_DOWNLOADS, 0700, err);
	if (fetch->downloads_fd < 0)
		return fetch->downloads_fd;
	fetch->part_fd = openat(fetch->downloads_fd, fetch->part,
				O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fetch->part_fd < 0)
		return error_errno(err, "cannot make '%s/%s'", CARREL_DOWNLOADS, fetch->part);
	struct stat st;
	int r = fs_lock(fetch->part_fd, 0);
	if (r < 0)
		return error_set(err, EBUSY, "'%s' is being fetched already", fetch->file);
	/* Until it was locked, `carrelctl gc` could take it for one that was given up. */
	if (fstat(fetch->part_fd, &st) < 0 || !st.st_nlink)
		return error_set(err, EBUSY, "'%s' was removed at the same time: try again", fetch->part);
	return 0;
}

static int part_size(const struct fetch *fetch, uint64_t *size, struct carrel_error *err)
{
	struct stat st;

	if (fstat(fetch->part_fd, &st) < 0)
		return error_errno(err, "cannot look at '%s'", fetch->part);
	*size = (uint64_t)st.st_size;
	return 0;
}

static int start_over(const struct fetch *fetch, struct carrel_error *err)
{
	return ftruncate(fetch->part_fd, 0) < 0 ? error_errno(err, "cannot empty '%s'", fetch->part) : 0;
}

static int describe_failure(struct carrel_error *err, uint64_t have)
{
	if (!have)
		return -err->code;
	return error_set(err, EIO, "%.350s (%llu bytes are kept: the same command goes on from there)",
			 err->msg, (unsigned long long)have);
}

/* From where it stopped; then, when the server cannot go on from there or has nothing there, once from the start. */
static int get_rest(struct fetch *fetch, uint64_t *have, uint64_t max, struct carrel_error *err)
{
	uint64_t before = *have;
	int r = run_curl(fetch, fetch->file, before, fetch->part_fd, max, err);

	if (r < 0 || part_size(fetch, have, err) < 0)
		return -err->code;
	if (!before || (r != CURL_NO_RANGE && (r || *have != before || !fetch->release.size)))
		return r;
	r = start_over(fetch, err);
	if (r == 0)
		r = run_curl(fetch, fetch->file, 0, fetch->part_fd, max, err);
	return r < 0 || part_size(fetch, have, err) < 0 ? -err->code : r;
}

static int download(struct fetch *fetch, struct carrel_error *err)
{
	uint64_t wanted = fetch->release.size, have = 0;
	int r = part_size(fetch, &have, err);

	if (r == 0 && wanted && have > wanted) {
		r = start_over(fetch, err);
		have = 0;
	}
	if (r < 0 || (wanted && have == wanted))
		return r;
	progress_step(fetch->progress, "fetching %s", fetch->file);
	r = get_rest(fetch, &have, wanted ? wanted : DOWNLOAD_MAX, err);
	progress_clear(fetch->progress);
	if (r < 0)
		return r;
	/* All of it is all of it, whatever came after. */
	if (wanted ? have == wanted : r == 0)
		return 0;
	if (r == 0)
		(void)error_set(err, EIO, "the download ended early");
	return describe_failure(err, have);
}

static int check_sum(struct fetch *fetch, struct carrel_error *err)
{
	_cleanup_digest_ struct digest *digest = digest_new(512);
	char buffer[16384], hex[DIGEST_HEX_MAX];
	off_t at = 0;
	ssize_t n;

	if (!digest)
		return error_set(err, ENOMEM, "out of memory");
	while ((n = pread(fetch->part_fd, buffer, sizeof(buffer), at)) > 0) {
		digest_add(digest, buffer, (size_t)n);
		at += n;
	}
	if (n < 0 || digest_finish(digest, hex) < 0)
		return error_errno(err, "cannot read '%s'", fetch->part);
	if (strcmp(hex, fetch->release.sha512) == 0)
		return 0;
	(void)unlinkat(fetch->downloads_fd, fetch->part, 0);
	return error_set(
		err, EBADMSG,
		"the SHA-512 of '%s' begins with %.16s, and should with %.16s: the download was removed",
		fetch->file, hex, fetch->release.sha512);
}

static int fetch_and_unpack(struct image_make *make, struct fetch *fetch, struct carrel_error *err)
{
	int r = find_release(fetch, err);

	if (r == 0)
		r = open_part(fetch, err);
	if (r == 0)
		r = download(fetch, err);
	if (r == 0)
		r = check_sum(fetch, err);
	if (r < 0)
		return r;
	(void)snprintf(make->manifest.source, sizeof(make->manifest.source), "%s/%s/releases/%s/%s",
		       fetch->mirror, fetch->branch, fetch->arch, fetch->file);
	r = image_make_from_archive(make, fetch->part_fd, err);
	if (r == 0 && unlinkat(fetch->downloads_fd, fetch->part, 0) < 0)
		r = error_errno(err, "cannot remove '%s/%s'", CARREL_DOWNLOADS, fetch->part);
	return r;
}

static int fill_by_fetching(struct image_make *make, struct carrel_error *err)
{
	struct fetch *fetch = make->arg;

	fetch->progress = &make->progress;
	int r = fetch_and_unpack(make, fetch, err);
	close_fd(&fetch->part_fd);
	close_fd(&fetch->downloads_fd);
	return r;
}

/* An address without anything that curl or a terminal could take for something else. */
static int check_mirror(char *mirror, size_t size, const char *given)
{
	size_t length = strlen(given);

	while (length && given[length - 1] == '/')
		length--;
	if (strncmp(given, "https://", 8) != 0 && strncmp(given, "http://", 7) != 0)
		return -EINVAL;
	for (size_t i = 0; i < length; i++)
		if (!isgraph((unsigned char)given[i]))
			return -EINVAL;
	return text_format(mirror, size, "%.*s", (int)length, given);
}

/* USER:PASSWORD@ before the host: it would be kept as the image's source, and stand on curl's command line for all to see. */
static bool has_password(const char *address)
{
	const char *host = strstr(address, "://");

	return host && memchr(host + 3, '@', strcspn(host + 3, "/?#"));
}

int verb_image_fetch(const struct ctl_args *args)
{
	struct fetch fetch = { .downloads_fd = -EBADF, .part_fd = -EBADF };
	struct image_make make = { .name = args->as ? args->as : args->words[0],
				   .from = args->words[0],
				   .want_sftp = !(args->options & CTL_NO_SFTP),
				   .fill = fill_by_fetching,
				   .arg = &fetch };
	char mirror[512];
	struct utsname host;

	if (strcmp(args->words[0], "alpine") != 0)
		return ctl_usage("only 'alpine' can be fetched, not '%s'", args->words[0]);
	if (!image_name_valid(make.name))
		return ctl_usage("'%s' is not a name for an image", make.name);
	if (alpine_branch(args->count > 1 ? args->words[1] : NULL, fetch.branch, fetch.exact) < 0)
		return ctl_usage("'%s' is not a version of Alpine, such as 3.20 or 3.20.3", args->words[1]);
	if (args->mirror && has_password(args->mirror))
		return ctl_usage(
			"the address of the mirror must not have a user or a password in it, which all "
			"could see: download the archive yourself, then 'carrelctl image import' it");
	if (check_mirror(mirror, sizeof(mirror), args->mirror ? args->mirror : MIRROR) < 0)
		return ctl_usage("'%s' is not an https:// or http:// address", args->mirror);
	fetch.mirror = mirror;
	fetch.arch = uname(&host) == 0 ? alpine_arch(host.machine) : NULL;
	if (!fetch.arch) {
		ctl_error("there is no Alpine for this machine");
		return CTL_FAILED;
	}
	if (strncmp(mirror, "http://", 7) == 0)
		ctl_warning("'%s' is not https: its index, and so the digest, could be anybody's", mirror);
	return image_make(&make);
}
