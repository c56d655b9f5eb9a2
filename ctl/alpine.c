/* alpine.c - see alpine.h. Everything here comes from the network, so nothing is taken that is not as expected. */
#include "alpine.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/text.h"
#include "core/units.h"

#define FLAVOR	    "alpine-minirootfs"
#define ARCHIVE_MAX (UINT64_C(1) << 30) /* 300 times what it is */

const char *alpine_arch(const char *machine)
{
	static const char *const names[][2] = {
		{ "x86_64", "x86_64" },	  { "aarch64", "aarch64" },
		{ "armv7l", "armv7" },	  { "armv6l", "armhf" },
		{ "i686", "x86" },	  { "i586", "x86" },
		{ "ppc64le", "ppc64le" }, { "s390x", "s390x" },
		{ "riscv64", "riscv64" }, { "loongarch64", "loongarch64" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(machine, names[i][0]) == 0)
			return names[i][1];
	return NULL;
}

/* How many numbers with dots between them it is; 0 when it is none of that. */
static unsigned count_numbers(const char *version)
{
	unsigned count = 0;

	if (strlen(version) >= ALPINE_VERSION_MAX - 1)
		return 0;
	for (;; version++) {
		size_t digits = strspn(version, "0123456789");
		if (!digits)
			return 0;
		count++;
		version += digits;
		if (!*version)
			return count;
		if (*version != '.')
			return 0;
	}
}

int alpine_branch(const char *wanted, char branch[ALPINE_VERSION_MAX], char exact[ALPINE_VERSION_MAX])
{
	exact[0] = '\0';
	if (!wanted)
		return text_format(branch, ALPINE_VERSION_MAX, "latest-stable");
	wanted += *wanted == 'v';
	unsigned numbers = count_numbers(wanted);
	if (numbers < 2 || numbers > 3)
		return -EINVAL;
	size_t length = numbers == 3 ? (size_t)(strrchr(wanted, '.') - wanted) : strlen(wanted);
	int r = text_format(branch, ALPINE_VERSION_MAX, "v%.*s", (int)length, wanted);
	return r < 0 || numbers == 2 ? r : text_format(exact, ALPINE_VERSION_MAX, "%s", wanted);
}

static bool is_sha512(const char *text)
{
	return strlen(text) == DIGEST_HEX_MAX - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX_MAX - 1;
}

/* One entry of the list: what is wanted of its "key: value" lines, as text. */
struct item {
	char flavor[32], arch[16], version[ALPINE_VERSION_MAX], sha512[DIGEST_HEX_MAX], size[24];
};

static const struct {
	const char *key;
	size_t offset, size;
} item_keys[] = {
	{ "flavor", offsetof(struct item, flavor), sizeof(((struct item *)0)->flavor) },
	{ "arch", offsetof(struct item, arch), sizeof(((struct item *)0)->arch) },
	{ "version", offsetof(struct item, version), sizeof(((struct item *)0)->version) },
	{ "sha512", offsetof(struct item, sha512), sizeof(((struct item *)0)->sha512) },
	{ "size", offsetof(struct item, size), sizeof(((struct item *)0)->size) },
};

/* A value that does not fit is none that is wanted: it stays empty. Quotes are YAML's. */
static void set_key(struct item *item, const char *line, size_t length)
{
	for (size_t i = 0; i < ARRAY_SIZE(item_keys); i++) {
		size_t key = strlen(item_keys[i].key);
		if (length <= key || strncmp(line, item_keys[i].key, key) != 0 || line[key] != ':')
			continue;
		const char *value = line + key + 1, *end = line + length;
		while (value < end && (*value == ' ' || *value == '"' || *value == '\''))
			value++;
		while (end > value &&
		       (end[-1] == ' ' || end[-1] == '"' || end[-1] == '\'' || end[-1] == '\r'))
			end--;
		char *at = (char *)item + item_keys[i].offset;
		if (text_format(at, item_keys[i].size, "%.*s", (int)(end - value), value) < 0)
			*at = '\0';
	}
}

static int take(const struct item *item, struct alpine_release *release, struct carrel_error *err)
{
	if (count_numbers(item->version) != 3 || !is_sha512(item->sha512) ||
	    unit_parse_size(item->size, &release->size) < 0 || !release->size || release->size > ARCHIVE_MAX)
		return error_set(err, EBADMSG, "the index has no sound version, size and SHA-512 for it");
	memcpy(release->version, item->version, sizeof(release->version));
	memcpy(release->sha512, item->sha512, sizeof(release->sha512));
	return 0;
}

int alpine_find(const char *index, const char *arch, struct alpine_release *release, struct carrel_error *err)
{
	struct item item = { .flavor = "" };

	for (;;) {
		size_t length = strcspn(index, "\n"), indent = strspn(index, " ");
		bool starts = index[0] == '-' || !*index;
		if (starts && strcmp(item.flavor, FLAVOR) == 0 && strcmp(item.arch, arch) == 0)
			return take(&item, release, err);
		if (!*index)
			return error_set(err, ENOENT, "the index has no " FLAVOR " for %s", arch);
		if (starts)
			item = (struct item){ .flavor = "" };
		/* The keys of an entry; what is indented more is the text of one. */
		if (starts && strncmp(index, "- ", 2) == 0)
			set_key(&item, index + 2, length - 2);
		else if (indent == 2 && length > indent)
			set_key(&item, index + indent, length - indent);
		index += length;
		index += *index == '\n';
	}
}

int alpine_read_sum(const char *line, const char *file, char sha512[DIGEST_HEX_MAX])
{
	const char *name = line + strcspn(line, " \n");

	if (text_format(sha512, DIGEST_HEX_MAX, "%.*s", (int)(name - line), line) < 0 || !is_sha512(sha512))
		return -EBADMSG;
	name += strspn(name, " *");
	size_t length = strcspn(name, "\r\n");
	return length == strlen(file) && strncmp(name, file, length) == 0 ? 0 : -EBADMSG;
}
