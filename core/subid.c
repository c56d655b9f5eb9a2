/* subid.c - see subid.h. Used by the keeper and carrelctl, as root, on the host. */
#include "subid.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "array.h"
#include "cleanup.h"
#include "fs.h"
#include "idmap.h"
#include "text.h"

/* The layout of libsubid's answer (shadow/subid.h), which is loaded only here. */
struct subid_range_abi {
	unsigned long start;
	unsigned long count;
};

/* The first range of 65536 ids that `function` of libsubid gives the user; 0 when there is none. */
static uint32_t subid_first(void *library, const char *function, const char *name)
{
	int (*get)(const char *, struct subid_range_abi **) = NULL;
	struct subid_range_abi *ranges = NULL;
	uint32_t start = 0;

	*(void **)&get = dlsym(library, function);
	int count = get ? get(name, &ranges) : 0;
	for (int i = 0; i < count && !start; i++)
		if (ranges[i].count >= IDMAP_COUNT && ranges[i].start <= UINT32_MAX - IDMAP_COUNT)
			start = (uint32_t)ranges[i].start;
	free(ranges);
	return start;
}

/* libsubid brings a dozen libraries with it, so it is loaded only here. */
bool subid_own(const char *name, uint32_t *uid_base, uint32_t *gid_base)
{
	static const char *const sonames[] = { "libsubid.so.5", "libsubid.so.4", "libsubid.so.3" };
	void *library = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(sonames) && !library; i++)
		library = dlopen(sonames[i], RTLD_NOW | RTLD_LOCAL);
	if (!library)
		return false;
	*uid_base = subid_first(library, "subid_get_uid_ranges", name);
	*gid_base = subid_first(library, "subid_get_gid_ranges", name);
	if (!*uid_base) /* libsubid 3 (shadow before 4.9) has other names */
		*uid_base = subid_first(library, "get_subuid_ranges", name);
	if (!*gid_base)
		*gid_base = subid_first(library, "get_subgid_ranges", name);
	dlclose(library);
	return *uid_base && *gid_base;
}

/* --- what others have --- */

/* Digits alone, up to `end`. What is more than there are ids is as many as there are. */
static bool take_number(const char *text, uint64_t *value)
{
	uint64_t n = 0;

	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return false;
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > SUBID_IDS)
			n = SUBID_IDS;
	}
	*value = n;
	return *text != '\0';
}

/* "NAME-or-uid:FIRST:COUNT". False: it is not, or it gives nothing. */
static bool parse_line(char *line, const char **owner, struct subid_range *range)
{
	char *first = strchr(line, ':'), *count = first ? strchr(first + 1, ':') : NULL;
	uint64_t ids;

	if (!count || first == line)
		return false;
	*first = *count = '\0';
	*owner = line;
	if (!take_number(first + 1, &range->first) || !take_number(count + 1, &ids) || !ids)
		return false;
	range->end = range->first + ids;
	return true;
}

int subid_parse_others(char *text, uid_t uid, const char *name, struct subid_list *list)
{
	char number[16], *save = NULL;
	struct subid_range range;
	const char *owner;

	snprintf(number, sizeof(number), "%u", uid);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (!parse_line(line, &owner, &range) || strcmp(owner, name) == 0 ||
		    strcmp(owner, number) == 0)
			continue;
		text_escape(range.owner, sizeof(range.owner), owner);
		if (array_append(&list->ranges, &list->count, &range, sizeof(range)) < 0)
			return -ENOMEM;
	}
	return 0;
}

int subid_read_others(const char *path, uid_t uid, const char *name, struct subid_list *list,
		      struct carrel_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return errno == ENOENT ? 0 : error_errno(err, "cannot open '%s'", path);
	if (fstat(fd, &st) < 0)
		return error_errno(err, "cannot stat '%s'", path);
	if (st.st_size > SUBID_FILE_MAX)
		return error_set(err, EFBIG, "'%s' is too large", path);
	/* With room for a line that is being added. */
	size_t size = (size_t)st.st_size + 4096;
	_cleanup_free_ char *text = malloc(size);
	ssize_t n = text ? fs_read_fd(fd, text, size) : -ENOMEM;
	for (ssize_t i = 0; i < n; i++)
		text[i] = text[i] ? text[i] : '?'; /* damage, which hides no line after it */
	int r = n < 0 ? (int)n : subid_parse_others(text, uid, name, list);
	return r < 0 ? error_set(err, -r, "cannot read '%s': %s", path, strerror(-r)) : 0;
}

const struct subid_range *subid_find(const struct subid_list *list, uint32_t base)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->ranges[i].first < (uint64_t)base + IDMAP_COUNT && base < list->ranges[i].end)
			return &list->ranges[i];
	return NULL;
}
