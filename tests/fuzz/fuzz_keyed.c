/*
 * fuzz_keyed.c - any bytes as a file of "key=value" lines (core/keyed.h), and as the history of faults, which is made of such lines.
 *
 * What is taken comes back the same when it is written and read again, and is printable; what is refused has a message.
 */
#include "must.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/faults.h"
#include "core/keyed.h"

struct thing {
	char name[16];
	char note[40];
	uint32_t narrow;
	uint64_t wide;
};

static const struct keyed_field fields[] = {
	KEYED_FIELD(struct thing, name, KEYED_STRING),
	KEYED_OPTIONAL(struct thing, note, KEYED_STRING),
	KEYED_FIELD(struct thing, narrow, KEYED_NUMBER),
	KEYED_OPTIONAL(struct thing, wide, KEYED_NUMBER),
};

static void must_be_printable(const char *text, size_t size)
{
	size_t length = strnlen(text, size);

	MUST(length < size);
	for (size_t i = 0; i < length; i++)
		MUST(text[i] >= ' ' && text[i] != 127);
}

static void keyed(char *text)
{
	struct thing thing = { 0 }, again = { 0 };
	struct carrel_error err = { 0 };
	char copy[KEYED_MAX];
	int r = keyed_parse(text, fields, ARRAY_SIZE(fields), &thing, &err);

	MUST(r == 0 || (r == -EBADMSG && err.code == EBADMSG && err.msg[0]));
	if (r < 0)
		return;
	must_be_printable(thing.name, sizeof(thing.name));
	must_be_printable(thing.note, sizeof(thing.note));
	if (strchr(thing.name, '\\') || strchr(thing.note, '\\'))
		return; /* escaped once more, so it may be cut */
	MUST(keyed_format(copy, sizeof(copy), fields, ARRAY_SIZE(fields), &thing) > 0);
	MUST(keyed_parse(copy, fields, ARRAY_SIZE(fields), &again, NULL) == 0);
	MUST(strcmp(thing.name, again.name) == 0 && strcmp(thing.note, again.note) == 0);
	MUST(thing.narrow == again.narrow && thing.wide == again.wide);
}

/* The history is a file that is found by its name: one in the working directory. */
static void history(const uint8_t *data, size_t size)
{
	_cleanup_close_ int dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = openat(dir, "1", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_free_ struct fault *list = NULL;
	struct carrel_error err = { 0 };
	char words[400];

	MUST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	ssize_t n = faults_read(dir, 1, &list, &err);
	MUST(n >= 0);
	for (ssize_t i = 0; i < n; i++) {
		MUST(list[i].count > 0 && (i == 0 || list[i - 1].time <= list[i].time));
		must_be_printable(list[i].process, sizeof(list[i].process));
		must_be_printable(fault_describe(&list[i], words, sizeof(words)), sizeof(words));
		MUST(words[0]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = text_of(data, size);

	keyed(text);
	free(text);
	history(data, size);
	return 0;
}
