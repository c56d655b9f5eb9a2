/*
 * image_oci.c - an OCI image layout or a `docker save` archive as a base image: see image_fill_oci in image_make.h.
 *
 *	skopeo copy      picks the image and this machine's platform, checks every digest, and lays the blobs out
 *	skopeo inspect   names the layers, in their order
 *	unpack           each layer, on the one below it, by the same confined child that unpacks any archive
 *
 * skopeo reads what nobody vouches for, and is confined (confine.h): it sees the image and the directory "layers" of
 * the staging directory, which goes before the image is committed.
 */
#include <ctype.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "confine.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/text.h"
#include "image_make.h"
#include "room.h"

#define LAYERS	    "layers" /* in the staging directory: the blobs, below blobs/, and the list */
#define BLOBS	    ("dir:" CONFINE_WORK "/blobs")
#define LAYERS_MAX  512
#define LIST_MAX    (LAYERS_MAX * 160)
#define MESSAGE_KEY " msg=\""

static const char *const kinds[] = { "oci:", "docker-archive:" };

static const char *kind_of(const char *from)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(from, kinds[i], strlen(kinds[i])) == 0)
			return kinds[i];
	return NULL;
}

bool image_is_oci(const char *from)
{
	return kind_of(from) != NULL;
}

struct oci {
	const char *kind;
	char path[PATH_MAX]; /* on the host */
	const char *tag;     /* ":TAG" or ":NAME:TAG", or "" */
	int source_fd, layers_fd;
	char *list; /* the manifest's digest and those of the layers, a line each */
};

/* PATH[:REFERENCE]. Both may have colons: the first that has something before it ends the path. */
static int open_source(struct oci *oci, const char *from, struct carrel_error *err)
{
	oci->kind = kind_of(from);
	int r = text_format(oci->path, sizeof(oci->path), "%s", from + strlen(oci->kind));
	if (r < 0)
		return error_set(err, -r, "the name is too long");
	oci->tag = "";
	oci->source_fd = open(oci->path, O_PATH | O_CLOEXEC);
	for (char *colon = strchr(oci->path, ':'); colon && oci->source_fd < 0;
	     colon = strchr(colon + 1, ':')) {
		*colon = '\0';
		oci->source_fd = open(oci->path, O_PATH | O_CLOEXEC);
		*colon = oci->source_fd < 0 ? ':' : '\0';
		oci->tag = from + strlen(oci->kind) + (colon - oci->path);
	}
	if (oci->source_fd < 0)
		return error_set(err, ENOENT, "there is no '%s'", oci->path);
	return 0;
}

/* As it is recorded: without the directory that it was in. */
static int name_source(const struct oci *oci, struct image_make *make, struct carrel_error *err)
{
	const char *slash = strrchr(oci->path, '/');
	int r = text_format(make->manifest.source, sizeof(make->manifest.source), "%s%s%s", oci->kind,
			    slash && slash[1] ? slash + 1 : oci->path, oci->tag);

	return r < 0 ? error_set(err, -r, "the name is too long") : 0;
}

static int check_kind(const struct oci *oci, struct carrel_error *err)
{
	struct stat st;
	bool archive = strcmp(oci->kind, "docker-archive:") == 0;

	if (fstat(oci->source_fd, &st) < 0)
		return error_errno(err, "cannot look at it");
	if (archive ? S_ISREG(st.st_mode) : S_ISDIR(st.st_mode))
		return 0;
	return error_set(err, EINVAL, archive ? "it is not a regular file" : "it is not a directory");
}

/* What skopeo says is a line of key="value" pairs, for machines; `msg` is meant for people. */
static void shorten_message(struct carrel_error *err)
{
	char text[CARREL_ERROR_MAX];
	const char *at = strstr(err->msg, MESSAGE_KEY);

	if (!at)
		return;
	(void)snprintf(text, sizeof(text), "%s", at + strlen(MESSAGE_KEY));
	size_t length = strlen(text);
	if (length && text[length - 1] == '"')
		text[length - 1] = '\0';
	(void)error_set(err, err->code, "skopeo: %s", text);
}

/* How large all is that skopeo has laid out by now. */
static uint64_t blobs_size(int layers_fd)
{
	_cleanup_close_ int fd = openat(layers_fd, "blobs", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_dir_ DIR *dir = fd < 0 ? NULL : fs_opendir(fd);
	struct dirent *entry;
	uint64_t size = 0;
	struct stat st;

	while (dir && (entry = readdir(dir)))
		if (fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			size += (uint64_t)st.st_size;
	return size;
}

struct watch {
	struct progress *progress;
	int layers_fd;
};

/* While skopeo is at work: a blob may be as large as an image, and there may be many. */
static int watch_skopeo(void *arg, struct carrel_error *err)
{
	const struct watch *watch = arg;
	uint64_t room;

	progress_show_bytes(watch->progress, blobs_size(watch->layers_fd));
	return room_look(watch->layers_fd, 1, &room, err);
}

static int run_skopeo(struct image_make *make, const struct oci *oci, const char *const *argv, int stdout_fd,
		      struct carrel_error *err)
{
	static const char *const env[] = { ("HOME=" CONFINE_WORK), ("TMPDIR=" CONFINE_WORK), "LC_ALL=C",
					   NULL };
	const struct confine confine = {
		.program = "skopeo",
		.package = "skopeo",
		.argv = argv,
		.env = env,
		.source_fd = oci->source_fd,
		.work_fd = oci->layers_fd,
		.stdout_fd = stdout_fd,
		.file_max = EXTRACT_BYTES_MAX,
	};
	struct watch watch = { &make->progress, oci->layers_fd };
	int r = confine_run(&confine, &make->progress, watch_skopeo, &watch, err);

	if (r > 0)
		shorten_message(err);
	return r > 0 ? -EIO : r;
}

static int copy_blobs(struct image_make *make, const struct oci *oci, struct carrel_error *err)
{
	char from[PATH_MAX];

	if (text_format(from, sizeof(from), "%s" CONFINE_SOURCE "%s", oci->kind, oci->tag) < 0)
		return error_set(err, ENAMETOOLONG, "the name is too long");
	/* Nothing is said about signatures: this image is one that the administrator chose. */
	const char *const argv[] = { "skopeo", "--insecure-policy", "--tmpdir", CONFINE_WORK,
				     "copy",   "--quiet",	    from,	BLOBS,
				     NULL };
	progress_step(&make->progress, "copying the layers of %s", make->name);
	return run_skopeo(make, oci, argv, -1, err);
}

static int list_layers(struct image_make *make, struct oci *oci, struct carrel_error *err)
{
	static const char *const argv[] = { "skopeo",	"inspect",
					    "--format", "{{.Digest}}\n{{range .Layers}}{{.}}\n{{end}}",
					    BLOBS,	NULL };
	_cleanup_close_ int fd = openat(oci->layers_fd, "list", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0)
		return error_errno(err, "cannot make a list of the layers");
	int r = run_skopeo(make, oci, argv, fd, err);
	if (r < 0)
		return r;
	oci->list = malloc(LIST_MAX);
	if (!oci->list || lseek(fd, 0, SEEK_SET) < 0)
		return error_errno(err, "cannot read the list of the layers");
	ssize_t n = fs_read_fd(fd, oci->list, LIST_MAX);
	return n < 0 ? error_set(err, (int)-n, "it has more layers than %d", LAYERS_MAX) : 0;
}

/* The file of a blob: the digest without its kind. NULL when that is not one. */
static const char *blob_name(const char *digest)
{
	const char *colon = strchr(digest, ':');
	const char *hex = colon ? colon + 1 : "";

	return *hex && strspn(hex, "0123456789abcdef") == strlen(hex) ? hex : NULL;
}

static int unpack_layer(struct image_make *make, int blobs_fd, const char *digest, struct carrel_error *err)
{
	const char *name = blob_name(digest);

	if (!name)
		return error_set(err, EINVAL, "'%s' is not a digest", digest);
	_cleanup_close_ int fd = openat(blobs_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_errno(err, "cannot open the layer '%s'", digest);
	int r = image_make_unpack(make, fd, true, err);
	return r < 0 && !make->progress.signal ? error_context(err, "layer %.19s", digest) : r;
}

static int unpack_layers(struct image_make *make, struct oci *oci, struct carrel_error *err)
{
	_cleanup_close_ int blobs = openat(oci->layers_fd, "blobs",
					   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	unsigned count = 0;
	char *rest = NULL;
	int r = 0;

	if (blobs < 0)
		return error_errno(err, "cannot open the layers");
	const char *line = strtok_r(oci->list, "\n", &rest);
	if (!line || !blob_name(line) ||
	    text_format(make->manifest.digest, sizeof(make->manifest.digest), "%s", line) < 0)
		return error_set(err, EINVAL, "it has no digest");
	while (r == 0 && (line = strtok_r(NULL, "\n", &rest))) {
		progress_step(&make->progress, "importing %s, layer %u", make->name, ++count);
		r = unpack_layer(make, blobs, line, err);
	}
	return r == 0 && !count ? error_set(err, EINVAL, "it has no layers") : r;
}

int image_fill_oci(struct image_make *make, struct carrel_error *err)
{
	struct oci oci = { .source_fd = -EBADF, .layers_fd = -EBADF };
	int r = open_source(&oci, make->from, err);

	if (r == 0)
		r = check_kind(&oci, err);
	if (r == 0)
		r = name_source(&oci, make, err);
	if (r == 0) {
		if (mkdirat(make->staging.fd, LAYERS, 0700) < 0)
			r = error_errno(err, "cannot make a directory for the layers");
		else
			oci.layers_fd = openat(make->staging.fd, LAYERS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (r == 0)
		r = copy_blobs(make, &oci, err);
	if (r == 0)
		r = list_layers(make, &oci, err);
	if (r == 0)
		r = unpack_layers(make, &oci, err);
	close_fd(&oci.source_fd);
	close_fd(&oci.layers_fd);
	free(oci.list);
	if (r == 0)
		r = fs_remove_tree(make->staging.fd, LAYERS);
	return r < 0 && !err->code ? error_set(err, -r, "cannot remove the layers") : r;
}
