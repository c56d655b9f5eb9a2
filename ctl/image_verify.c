/*
 * image_verify.c - `carrelctl image verify NAME`: the files of an image beside the list that was made with it.
 *
 * Both come in the same order (image_tree.h), so that they are compared as they are read and neither is held.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/image.h"
#include "core/text.h"
#include "ctl.h"
#include "image_tree.h"
#include "table.h"

static const struct table_column columns[] = {
	{ "change", TABLE_BOTH },
	{ "path", TABLE_BOTH },
	{ "what", TABLE_BOTH },
	{ NULL, 0 },
};

struct verify {
	FILE *list;
	struct digest *digest; /* of the list, as it is read */
	char *record;	       /* at hand: not yet passed, or NULL after the last */
	size_t size;
	struct table *table;
	bool json;
	uint64_t entries, added, removed, changed;
};

/* What the fields of a record before its path mean, beside what they are called. */
static const char *const fields[] = { "kind", "mode", "owner", "group", "size", "content", "attributes" };

static void report(struct verify *verify, const char *change, const char *path, const char *what)
{
	char absolute[TREE_PATH_MAX + 1], safe[4 * TREE_PATH_MAX];

	(void)snprintf(absolute, sizeof(absolute), "/%s", path);
	table_line(verify->table);
	table_set(verify->table, "change", "%s", change);
	/* The table for people escapes what is not printable by itself; JSON must be UTF-8. */
	table_set(verify->table, "path", "%s",
		  verify->json ? text_escape(safe, sizeof(safe), absolute) : absolute);
	table_set(verify->table, "what", "%s", what);
}

static int next_record(struct verify *verify, struct carrel_error *err)
{
	ssize_t n = getdelim(&verify->record, &verify->size, '\0', verify->list);

	if (n < 0) {
		free(verify->record);
		verify->record = NULL;
		return ferror(verify->list) ? error_errno(err, "cannot read the list of files") : 0;
	}
	digest_add(verify->digest, verify->record, (size_t)n);
	return tree_record_path(verify->record) ? 0 : error_set(err, EBADMSG, "the list of files is damaged");
}

/* Which fields differ, by name. The kind says it all where that is one of them. */
static void compare(struct verify *verify, const char *before, const char *now)
{
	const char *path = tree_record_path(now);
	char what[96] = "";

	if (strcmp(before, now) == 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		size_t a = strcspn(before, " "), b = strcspn(now, " "), used = strlen(what);
		if (a != b || strncmp(before, now, a) != 0)
			(void)snprintf(what + used, sizeof(what) - used, "%s%s", used ? ", " : "", fields[i]);
		if (i == 0 && *what)
			break;
		before += a + 1;
		now += b + 1;
	}
	verify->changed++;
	report(verify, "changed", path, what);
}

/* Those of the list that come before `path` are gone; all the rest when it is NULL. */
static int pass_removed(struct verify *verify, const char *path, struct carrel_error *err)
{
	int r = 0;

	while (r == 0 && verify->record) {
		const char *at = tree_record_path(verify->record);
		if (path && tree_compare_paths(at, path) >= 0)
			break;
		verify->removed++;
		report(verify, "removed", at, "");
		r = next_record(verify, err);
	}
	return r;
}

static int check_entry(void *arg, const char *record, struct carrel_error *err)
{
	struct verify *verify = arg;
	const char *path = tree_record_path(record);
	int r = pass_removed(verify, path, err);

	verify->entries++;
	if (r < 0)
		return r;
	if (verify->record && strcmp(tree_record_path(verify->record), path) == 0) {
		compare(verify, verify->record, record);
		return next_record(verify, err);
	}
	verify->added++;
	report(verify, "added", path, "");
	return 0;
}

/* The list vouches for the files, the manifest for the list. */
static int check_list(struct verify *verify, const struct image_manifest *manifest, struct carrel_error *err)
{
	char hex[DIGEST_HEX_MAX];
	const char *colon = strchr(manifest->tree, ':');

	if (digest_finish(verify->digest, hex) < 0)
		return error_set(err, EIO, "cannot finish a SHA-256 digest");
	if (!colon || strcmp(colon + 1, hex) != 0)
		return error_set(err, EBADMSG,
				 "the list of files is not the one that was made with the image");
	return 0;
}

static int verify_tree(struct verify *verify, const struct image_manifest *manifest, int image_fd,
		       struct progress *progress, struct carrel_error *err)
{
	_cleanup_close_ int rootfs = openat(image_fd, "rootfs",
					    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int fd = openat(image_fd, TREE_FILES, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	const struct tree_walk walk = { .rootfs_fd = rootfs,
					.progress = progress,
					.entries_expected = manifest->entries,
					.each = check_entry,
					.arg = verify };

	if (rootfs < 0)
		return error_errno(err, "cannot open its rootfs");
	if (fd < 0)
		return error_errno(err, "cannot open its list of files");
	verify->list = fdopen(fd, "r");
	verify->digest = digest_new(256);
	if (!verify->list || !verify->digest)
		return error_set(err, ENOMEM, "out of memory");
	(void)steal_fd(&fd);
	int r = next_record(verify, err);
	if (r == 0)
		r = tree_walk(&walk, err);
	if (r == 0)
		r = pass_removed(verify, NULL, err);
	return r < 0 ? r : check_list(verify, manifest, err);
}

static int verify_image(struct verify *verify, const char *name, struct progress *progress,
			struct carrel_error *err)
{
	struct image_manifest manifest;
	int r = image_read_manifest(name, &manifest, err);

	if (r < 0)
		return r;
	if (!manifest.tree[0])
		return error_set(
			err, ENODATA,
			"image '%s' has no list of its files: it was imported by a version of Carrel "
			"that made none; import it again to have one",
			name);
	_cleanup_close_ int dir = image_open_dir(name, err);
	if (dir < 0)
		return dir;
	progress_step(progress, "verifying %s", name);
	r = verify_tree(verify, &manifest, dir, progress, err);
	progress_clear(progress);
	return r < 0 && !progress->signal ? error_context(err, "image '%s'", name) : r;
}

static int conclude(const struct verify *verify, const char *name)
{
	if (verify->added || verify->removed || verify->changed) {
		ctl_error("image '%s' is not as it was imported: %" PRIu64 " added, %" PRIu64
			  " removed, %" PRIu64 " changed",
			  name, verify->added, verify->removed, verify->changed);
		return CTL_FAILED;
	}
	if (!verify->json)
		printf("image '%s' is as it was imported: %" PRIu64 " entries\n", name, verify->entries);
	return CTL_DONE;
}

int verb_image_verify(const struct ctl_args *args)
{
	const char *name = args->words[0];
	struct progress progress = PROGRESS_NONE;
	struct carrel_error err = { 0 };
	struct verify verify = { .json = args->options & CTL_JSON };
	int status = CTL_DONE;

	if (!image_name_valid(name))
		return ctl_usage("'%s' is not a name for an image", name);
	verify.table = table_new("changes", verify.json, columns);
	int r = progress_start(&progress, "interrupted", &err);
	if (r == 0)
		r = verify_image(&verify, name, &progress, &err);
	if (r == 0 && (verify.json || verify.added || verify.removed || verify.changed))
		status = table_print(verify.table);
	if (r == 0 && status == CTL_DONE)
		status = conclude(&verify, name);
	if (r < 0)
		status = ctl_fail(&err);
	table_free(verify.table);
	digest_free(verify.digest);
	free(verify.record);
	if (verify.list)
		(void)fclose(verify.list);
	progress_end(&progress);
	return status;
}
