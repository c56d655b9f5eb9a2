/*
 * image_archive.c - reading a tar archive and writing it out with libarchive: extract_archive of
 * image_extract.h. Runs in the confined child, whose "/" is the image's root.
 *
 * What an image may hold: directories, regular files, symlinks, hard links, FIFOs; owners 0..65535; user.*
 * attributes. Left out: device nodes and sockets (the sandbox has its own /dev), ACLs, and all other attributes.
 * Among these are file capabilities: on disk the image is root's on the host, where the bits would
 * count as the host's. Anything that does not fit in this is refused, not mended.
 */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "core/image.h"
#include "image_extract.h"

#define READ_SIZE (128 * 1024)
#define PATH_SIZE 4096
#define TAR_BLOCK 512

struct digest {
	EVP_MD_CTX *context;
};

struct digest *digest_new(void)
{
	struct digest *digest = calloc(1, sizeof(*digest));

	if (!digest)
		return NULL;
	digest->context = EVP_MD_CTX_new();
	if (!digest->context || EVP_DigestInit_ex(digest->context, EVP_sha512(), NULL) != 1) {
		EVP_MD_CTX_free(digest->context);
		free(digest);
		return NULL;
	}
	return digest;
}

void digest_add(struct digest *digest, const void *data, size_t size)
{
	(void)EVP_DigestUpdate(digest->context, data, size);
}

int digest_finish(struct digest *digest, char hex[129])
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (EVP_DigestFinal_ex(digest->context, sum, &size) != 1 || size != 64)
		return -EIO;
	for (unsigned i = 0; i < size; i++)
		(void)snprintf(hex + (size_t)2 * i, 3, "%02x", sum[i]);
	return 0;
}

/* The file as libarchive reads it, hashed on the way. */
struct source {
	int fd;
	struct digest *digest;
	char buffer[READ_SIZE];
};

static la_ssize_t read_source(struct archive *in, void *arg, const void **data)
{
	struct source *source = arg;
	ssize_t n;

	do
		n = read(source->fd, source->buffer, sizeof(source->buffer));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(in, errno, "cannot read the file");
	else
		digest_add(source->digest, source->buffer, (size_t)n);
	*data = source->buffer;
	return n;
}

struct job {
	struct archive *in, *out;
	struct source *source;
	struct extract_report *report;
	char path[PATH_SIZE]; /* of the entry at hand, below "/" */
};

static int refuse(struct job *job, int code, const char *why)
{
	job->report->code = code > 0 ? code : EINVAL;
	if (job->path[0])
		(void)snprintf(job->report->message, sizeof(job->report->message), "'%.200s': %s", job->path,
			       why);
	else
		(void)snprintf(job->report->message, sizeof(job->report->message), "%s", why);
	return -job->report->code;
}

/* As libarchive says it, on one line, with the system's reason where there is one. */
static int refuse_archive(struct job *job, struct archive *which)
{
	const char *text = archive_error_string(which);
	int code = archive_errno(which);
	/* EINVAL and EILSEQ are its own, for archives that are not right. */
	bool of_system = code > 0 && code != EINVAL && code != EILSEQ;
	char line[256];

	(void)snprintf(line, sizeof(line), "%s%s%s", text ? text : "damaged", of_system ? ": " : "",
		       of_system ? strerror(code) : "");
	line[strcspn(line, "\n")] = '\0';
	return refuse(job, code, line);
}

/*
 * tar, plain or compressed once by something that libarchive has built in: what it has not, it would start a
 * program for.
 */
static int open_source(struct job *job)
{
	if (archive_read_support_format_tar(job->in) != ARCHIVE_OK)
		return refuse_archive(job, job->in);
	if (archive_zlib_version())
		archive_read_support_filter_gzip(job->in);
	if (archive_liblzma_version())
		archive_read_support_filter_xz(job->in);
	if (archive_bzlib_version())
		archive_read_support_filter_bzip2(job->in);
	if (archive_libzstd_version())
		archive_read_support_filter_zstd(job->in);
	if (archive_read_open(job->in, job->source, NULL, read_source, NULL) != ARCHIVE_OK)
		return refuse(job, archive_errno(job->in),
			      "not a tar archive (plain, gzip, xz, zstd or bzip2)");
	if (archive_filter_count(job->in) > 2)
		return refuse(job, EINVAL, "it is compressed more than once");
	return 0;
}

static int check_path(struct job *job, const char *path, char *clean, const char *what)
{
	int r = path ? image_entry_path(path, clean, PATH_SIZE) : -EILSEQ;

	if (r == 0)
		return 0;
	(void)snprintf(job->path, sizeof(job->path), "%s", path ? path : "");
	if (r == -EILSEQ)
		return refuse(job, EILSEQ, "an entry has a name that is not UTF-8");
	return refuse(job, -r, r == -EXDEV ? what : "the path is too long or too deep");
}

static int check_owner(struct job *job, struct archive_entry *entry)
{
	la_int64_t uid = archive_entry_uid(entry), gid = archive_entry_gid(entry);

	if (uid < 0 || uid > EXTRACT_ID_MAX || gid < 0 || gid > EXTRACT_ID_MAX)
		return refuse(job, ERANGE,
			      "its owner or group is above 65535, which a sandbox does not have");
	return 0;
}

/* Keep user.* attributes, but for those that overlayfs would take for its own. */
static void strip_attributes(struct job *job, struct archive_entry *entry)
{
	struct archive_entry *kept = archive_entry_new();
	const char *name;
	const void *value;
	size_t size;

	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
		if (kept && strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0)
			archive_entry_xattr_add_entry(kept, name, value, size);
		else
			job->report->stripped++;
	}
	archive_entry_xattr_clear(entry);
	archive_entry_xattr_reset(kept);
	while (archive_entry_xattr_next(kept, &name, &value, &size) == ARCHIVE_OK)
		archive_entry_xattr_add_entry(entry, name, value, size);
	archive_entry_free(kept);
	archive_entry_acl_clear(entry);
	archive_entry_set_fflags(entry, 0, 0);
}

/* 1: to be written. 0: to be left out. -errno: the archive is refused. */
static int check_entry(struct job *job, struct archive_entry *entry)
{
	char target[PATH_SIZE];

	job->path[0] = '\0';
	if (++job->report->entries > EXTRACT_ENTRIES_MAX)
		return refuse(job, E2BIG, "it has more than 4 million entries");
	int r = check_path(job, archive_entry_pathname(entry), job->path, "the path leads out of the image");
	if (r < 0 || !job->path[0])
		return r; /* the root's own entry: its owner and mode are ours to set */
	archive_entry_set_pathname(entry, job->path);
	r = check_owner(job, entry);
	if (r < 0)
		return r;
	if (archive_entry_hardlink(entry)) {
		r = check_path(job, archive_entry_hardlink(entry), target,
			       "a hard link leads out of the image");
		archive_entry_set_hardlink(entry, target);
		return r < 0 ? r : 1;
	}
	switch (archive_entry_filetype(entry)) {
	case AE_IFLNK:
		return archive_entry_symlink(entry) ? 1 : refuse(job, EILSEQ, "its target is not UTF-8");
	case AE_IFREG:
	case AE_IFDIR:
	case AE_IFIFO:
		return 1;
	case AE_IFBLK:
	case AE_IFCHR:
	case AE_IFSOCK:
		job->report->skipped++;
		return 0;
	default:
		return refuse(job, EINVAL, "it is of an unknown kind");
	}
}

static int copy_data(struct job *job)
{
	const void *data;
	size_t size;
	la_int64_t offset;
	int r;

	while ((r = archive_read_data_block(job->in, &data, &size, &offset)) == ARCHIVE_OK) {
		if (offset < 0 || (uint64_t)offset > EXTRACT_BYTES_MAX)
			return refuse(job, EFBIG, "it is larger than 64 GiB");
		job->report->bytes += size;
		if (job->report->bytes > EXTRACT_BYTES_MAX)
			return refuse(job, EFBIG, "the image is larger than 64 GiB");
		if (archive_write_data_block(job->out, data, size, offset) < ARCHIVE_OK)
			return refuse_archive(job, job->out);
	}
	return r == ARCHIVE_EOF ? 0 : refuse_archive(job, job->in);
}

static int write_entry(struct job *job, struct archive_entry *entry)
{
	if (archive_entry_size(entry) < 0 || (uint64_t)archive_entry_size(entry) > EXTRACT_BYTES_MAX)
		return refuse(job, EFBIG, "it is larger than 64 GiB");
	strip_attributes(job, entry);
	/* A warning means that something was not done as the archive says: not good enough for an image. */
	if (archive_write_header(job->out, entry) != ARCHIVE_OK)
		return refuse_archive(job, job->out);
	int r = archive_entry_size(entry) > 0 ? copy_data(job) : 0;
	if (r == 0 && archive_write_finish_entry(job->out) != ARCHIVE_OK)
		r = refuse_archive(job, job->out);
	return r;
}

static int extract_entries(struct job *job)
{
	struct archive_entry *entry;
	int r;

	for (;;) {
		r = archive_read_next_header(job->in, &entry);
		if (r == ARCHIVE_EOF)
			return 0;
		/* Not even "retry": that is how libarchive steps over a damaged header. */
		if (r != ARCHIVE_OK) {
			job->path[0] = '\0';
			return refuse_archive(job, job->in);
		}
		r = check_entry(job, entry);
		if (r > 0)
			r = write_entry(job, entry);
		if (r < 0)
			return r;
	}
}

/*
 * An archive ends with blocks of zeros. One that ends without them was cut off between two entries, which nothing
 * else would notice: the reader has come to the end of the data where it looked for the next header.
 */
static int check_end(struct job *job)
{
	job->path[0] = '\0';
	if (archive_filter_bytes(job->in, 0) < archive_read_header_position(job->in) + TAR_BLOCK)
		return refuse(job, EINVAL, "the archive has no end: it was cut off");
	return 0;
}

/* What follows the end belongs to the digest too. */
static int finish_digest(struct job *job)
{
	const void *data;
	la_ssize_t n;

	while ((n = read_source(job->in, job->source, &data)) > 0)
		;
	if (n < 0)
		return refuse_archive(job, job->in);
	if (digest_finish(job->source->digest, job->report->sha512) < 0)
		return refuse(job, EIO, "cannot finish the SHA-512 digest");
	return 0;
}

/* Times and modes of directories are set when the writer is closed. */
static int finish_output(struct job *job)
{
	job->path[0] = '\0';
	if (archive_write_close(job->out) != ARCHIVE_OK)
		return refuse_archive(job, job->out);
	if (chown("/", 0, 0) < 0 || chmod("/", 0755) < 0)
		return refuse(job, errno, "cannot set the mode of the image's root");
	return 0;
}

void extract_archive(int archive_fd, struct digest *digest, struct extract_report *report)
{
	static struct source source; /* the child runs this once; too large for its stack */
	struct job job = {
		.in = archive_read_new(), .out = archive_write_disk_new(), .source = &source, .report = report
	};

	source.fd = archive_fd;
	source.digest = digest;
	/* Owners by number: a lookup by name would ask NSS, inside the image. */
	if (!job.in || !job.out ||
	    archive_write_disk_set_options(
		    job.out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM | ARCHIVE_EXTRACT_TIME |
				     ARCHIVE_EXTRACT_XATTR | ARCHIVE_EXTRACT_SECURE_SYMLINKS |
				     ARCHIVE_EXTRACT_SECURE_NODOTDOT |
				     ARCHIVE_EXTRACT_SECURE_NOABSOLUTEPATHS) != ARCHIVE_OK) {
		(void)refuse(&job, ENOMEM, "out of memory");
		return;
	}
	int r = open_source(&job);
	if (r == 0)
		r = extract_entries(&job);
	if (r == 0)
		r = check_end(&job);
	if (r == 0)
		r = finish_output(&job);
	if (r == 0)
		(void)finish_digest(&job);
}
