/*
 * tar_entry.c - print one entry of a tar archive as it is asked for, however wrong that is.
 *
 *	tar_entry KIND NAME [KEY=VALUE…]
 *	KIND   file, dir, symlink, hardlink, fifo, char, block, or end (the blocks that end an archive)
 *	KEY    to (a link's target), mode (octal), uid, gid, data, zeros (bytes of data), size (claimed, whatever
 *	       there is), pax (NAME:VALUE of an extended header, up to 8 times)
 *
 * So that tests can build hostile archives by hand: tools that write archives mend what these tests need broken.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cleanup.h"

#define BLOCK	512
#define PAX_MAX 8

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], sum[8], kind, link[100];
	char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

_Static_assert(sizeof(struct header) == BLOCK, "a header is one block");

struct entry {
	const char *name, *to, *data;
	unsigned mode, uid, gid;
	unsigned long long zeros, size;
	char kind;
	const char *pax[PAX_MAX];
	size_t paxes;
};

static void octal(char *field, size_t size, unsigned long long value)
{
	char digits[32];

	(void)snprintf(digits, sizeof(digits), "%0*llo", (int)size - 1, value);
	memcpy(field, digits, size);
}

static void print_padded(const char *data, size_t size)
{
	static const char zeros[BLOCK];

	(void)fwrite(data, 1, size, stdout);
	if (size % BLOCK)
		(void)fwrite(zeros, 1, BLOCK - size % BLOCK, stdout);
}

static void copy(char *field, size_t size, const char *text)
{
	memcpy(field, text, strnlen(text, size));
}

static void print_header(const struct entry *entry)
{
	struct header header = { .kind = entry->kind, .magic = "ustar", .version = { '0', '0' } };
	unsigned sum = 0;

	copy(header.name, sizeof(header.name), entry->name);
	copy(header.link, sizeof(header.link), entry->to);
	octal(header.mode, sizeof(header.mode), entry->mode);
	octal(header.uid, sizeof(header.uid), entry->uid);
	octal(header.gid, sizeof(header.gid), entry->gid);
	octal(header.size, sizeof(header.size), entry->size);
	octal(header.mtime, sizeof(header.mtime), 1000000000);
	octal(header.major, sizeof(header.major), 1);
	octal(header.minor, sizeof(header.minor), 3);
	memset(header.sum, ' ', sizeof(header.sum));
	for (size_t i = 0; i < BLOCK; i++)
		sum += ((const unsigned char *)&header)[i];
	octal(header.sum, 7, sum);
	(void)fwrite(&header, 1, sizeof(header), stdout);
}

/* "LENGTH NAME=VALUE\n", where LENGTH counts itself. */
static size_t pax_record(char *out, size_t size, const char *pair)
{
	const char *colon = strchr(pair, ':');
	int name = colon ? (int)(colon - pair) : 0;
	const char *value = colon ? colon + 1 : pair;
	size_t length = strlen(value) + (size_t)name + 3, total = length;
	char digits[24];

	do {
		length = total;
		total = strlen(value) + (size_t)name + 3 +
			(size_t)snprintf(digits, sizeof(digits), "%zu", length);
	} while (total != length);
	return (size_t)snprintf(out, size, "%zu %.*s=%s\n", total, name, pair, value);
}

static void print_pax(const struct entry *entry)
{
	char records[8192];
	size_t used = 0;

	if (!entry->paxes)
		return;
	for (size_t i = 0; i < entry->paxes; i++)
		used += pax_record(records + used, sizeof(records) - used, entry->pax[i]);
	print_header(&(struct entry){ .name = "pax", .to = "", .mode = 0644, .size = used, .kind = 'x' });
	print_padded(records, used);
}

static void set(struct entry *entry, const char *word)
{
	const char *value = strchr(word, '=');
	size_t length = value ? (size_t)(value - word) : 0;

	if (!value)
		exit(2);
	value++;
	if (strncmp(word, "to", length) == 0)
		entry->to = value;
	else if (strncmp(word, "mode", length) == 0)
		entry->mode = (unsigned)strtoul(value, NULL, 8);
	else if (strncmp(word, "uid", length) == 0)
		entry->uid = (unsigned)strtoul(value, NULL, 10);
	else if (strncmp(word, "gid", length) == 0)
		entry->gid = (unsigned)strtoul(value, NULL, 10);
	else if (strncmp(word, "data", length) == 0)
		entry->data = value;
	else if (strncmp(word, "zeros", length) == 0)
		entry->zeros = strtoull(value, NULL, 10);
	else if (strncmp(word, "size", length) == 0)
		entry->size = strtoull(value, NULL, 10);
	else if (strncmp(word, "pax", length) == 0 && entry->paxes < PAX_MAX)
		entry->pax[entry->paxes++] = value;
	else
		exit(2);
}

static char kind_of(const char *word)
{
	static const struct {
		const char *word;
		char kind;
	} kinds[] = { { "file", '0' },	{ "hardlink", '1' }, { "symlink", '2' }, { "char", '3' },
		      { "block", '4' }, { "dir", '5' },	     { "fifo", '6' } };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(kinds[i].word, word) == 0)
			return kinds[i].kind;
	}
	exit(2);
}

int main(int argc, char **argv)
{
	static const char zeros[2 * BLOCK];
	struct entry entry = { .to = "", .data = "", .mode = 0755 };

	if (argc == 2 && strcmp(argv[1], "end") == 0)
		return fwrite(zeros, 1, sizeof(zeros), stdout) != sizeof(zeros);
	if (argc < 3)
		return 2;
	entry.kind = kind_of(argv[1]);
	entry.name = argv[2];
	for (int i = 3; i < argc; i++)
		set(&entry, argv[i]);
	size_t length = strlen(entry.data);
	if (!entry.size)
		entry.size = length + entry.zeros;
	print_pax(&entry);
	print_header(&entry);
	if (length)
		print_padded(entry.data, length);
	for (unsigned long long done = 0; done < entry.zeros; done += BLOCK)
		(void)fwrite(zeros, 1, BLOCK, stdout);
	return fflush(stdout) != 0;
}
