/* image_list.c - `carrelctl image list`: the base images, from their manifests. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/image.h"
#include "core/paths.h"
#include "core/units.h"
#include "ctl.h"
#include "table.h"

static const struct table_column columns[] = {
	{ "name", TABLE_BOTH },
	{ "os", TABLE_BOTH },
	{ "size", TABLE_TEXT | TABLE_RIGHT },
	{ "bytes", TABLE_JSON | TABLE_NUMBER },
	{ "entries", TABLE_BOTH | TABLE_NUMBER },
	{ "sftp", TABLE_BOTH },
	{ "imported", TABLE_BOTH },
	{ "source", TABLE_BOTH },
	{ "digest", TABLE_BOTH },
	{ "tree", TABLE_JSON },
	{ NULL, 0 },
};

/* Bytes rounded to a unit, as people read them. */
static void set_size(struct table *table, uint64_t bytes)
{
	static const char units[] = "BKMGT";
	double value = (double)bytes;
	size_t unit = 0;

	for (; value >= 1024 && units[unit + 1]; unit++)
		value /= 1024;
	table_set(table, "size", unit ? "%.1f%c" : "%.0f%c", value, units[unit]);
}

static int add(struct table *table, const char *name, bool json)
{
	struct image_manifest manifest;
	struct carrel_error err = { 0 };

	if (image_read_manifest(name, &manifest, &err) < 0)
		return ctl_fail(&err);
	table_line(table);
	table_set(table, "name", "%s", name);
	table_set(table, "os", "%s", manifest.os);
	set_size(table, manifest.bytes);
	table_set(table, "bytes", "%" PRIu64, manifest.bytes);
	table_set(table, "entries", "%" PRIu64, manifest.entries);
	table_set(table, "sftp", "%s", manifest.sftp);
	table_set_time(table, "imported", manifest.imported);
	table_set(table, "source", "%s", manifest.source);
	/* For people as much of it as tells one from another. */
	table_set(table, "digest", json ? "%s" : "%.19s", manifest.digest);
	table_set(table, "tree", "%s", manifest.tree);
	return CTL_DONE;
}

static int is_image(const struct dirent *entry)
{
	return image_name_valid(entry->d_name);
}

int verb_image_list(const struct ctl_args *args)
{
	struct dirent **entries = NULL;
	int status = CTL_DONE, n = scandir(CARREL_IMAGES, &entries, is_image, alphasort);

	if (n < 0 && errno != ENOENT) {
		ctl_error("cannot read '%s': %s", CARREL_IMAGES, strerror(errno));
		return CTL_FAILED;
	}
	struct table *table = table_new("images", args->options & CTL_JSON, columns);
	for (int i = 0; i < n; i++) {
		int r = add(table, entries[i]->d_name, args->options & CTL_JSON);
		status = r ? r : status;
		free(entries[i]);
	}
	free(entries);
	int printed = table_print(table);
	table_free(table);
	return printed ? printed : status;
}
