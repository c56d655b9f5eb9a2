/* kmsg.c - see kmsg.h. Run by the keeper, as root. */
#include "kmsg.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"

#define RECORD_MAX  8192  /* the kernel's own; a shorter buffer is EINVAL */
#define RECORDS_MAX 65536 /* of one look: more than the log of any kernel holds */

static bool ends_with(const char *text, size_t length, const char *end)
{
	size_t n = strlen(end);

	return length > n && text[length - n - 1] == '/' && strncmp(text + length - n, end, n) == 0;
}

/* The last `word` in `length` bytes: what comes before it, a process' name, may hold one as well. */
static const char *last(const char *text, size_t length, const char *word)
{
	size_t n = strlen(word);

	for (size_t i = length < n ? 0 : length - n + 1; i-- > 0;)
		if (strncmp(text + i, word, n) == 0)
			return text + i;
	return NULL;
}

/*
 * "oom-kill:…,oom_memcg=ABOVE,task_memcg=GROUP": the number of levels between the two. A group above ours but outside of the
 * session's levels is the caller's to see by the number.
 */
static int levels_above(const char *text, const char *memcg, const char *task)
{
	const char *oom = strstr(text, ",oom_memcg="), *global = strstr(text, ",global_oom,");
	int levels = 0;

	if (global && global < memcg)
		return -1;
	if (!oom || oom > memcg)
		return KMSG_UNKNOWN;
	oom += strlen(",oom_memcg=");
	size_t length = strcspn(oom, ",");
	memcg += strlen(",task_memcg=");
	if (length > (size_t)(task - memcg) || strncmp(oom, memcg, length) != 0)
		return KMSG_UNKNOWN;
	for (const char *at = memcg + length; at < task; at++)
		levels += *at == '/';
	return levels;
}

/* "oom-kill:…,task_memcg=GROUP,task=NAME,pid=PID,uid=UID" */
static enum kmsg_kind parse_group(const char *text, size_t length, const char *group,
				  struct kmsg_victim *victim)
{
	const char *memcg = strstr(text, ",task_memcg="), *task = memcg ? strstr(memcg, ",task=") : NULL;

	/* Both in the first line: the record's others are "NAME=value" lines about a device. */
	if (!task || task >= text + length)
		return KMSG_OTHER;
	const char *path = memcg + strlen(",task_memcg=");
	if (!ends_with(path, (size_t)(task - path), group))
		return KMSG_OTHER;
	const char *name = task + strlen(",task=");
	const char *end = last(name, length - (size_t)(name - text), ",pid=");
	if (!end)
		return KMSG_OTHER;
	text_unescape(victim->name, sizeof(victim->name), name, (size_t)(end - name));
	victim->pid = strtoul(end + strlen(",pid="), NULL, 10);
	victim->above = levels_above(text, memcg, task);
	return KMSG_GROUP;
}

/* "…: Killed process PID (NAME) total-vm:…, UID:UID …" */
static enum kmsg_kind parse_user(const char *text, size_t length, uint32_t uid_base,
				 struct kmsg_victim *victim)
{
	const char *killed = strstr(text, ": Killed process "), *end = last(text, length, ") total-vm:");
	const char *uid = last(text, length, " UID:");
	char *open;

	if (!killed || !end || !uid || end < killed || uid < end)
		return KMSG_OTHER;
	victim->pid = strtoul(killed + strlen(": Killed process "), &open, 10);
	unsigned long id = strtoul(uid + strlen(" UID:"), NULL, 10);
	if (strncmp(open, " (", 2) != 0 || open + 2 > end || id < uid_base || id - uid_base >= IDMAP_COUNT)
		return KMSG_OTHER;
	text_unescape(victim->name, sizeof(victim->name), open + 2, (size_t)(end - open - 2));
	victim->above = KMSG_UNKNOWN;
	return KMSG_USER;
}

enum kmsg_kind kmsg_parse(const char *record, const char *group, uint32_t uid_base,
			  struct kmsg_victim *victim)
{
	const char *text = strchr(record, ';');

	/* "priority,sequence,time,flags;text": what does not come from the kernel itself has a priority of 8 or more. */
	if (!text || strtoul(record, NULL, 10) > 7)
		return KMSG_OTHER;
	text++;
	size_t length = strcspn(text, "\n");
	if (strncmp(text, "oom-kill:", 9) == 0)
		return parse_group(text, length, group, victim);
	return parse_user(text, length, uid_base, victim);
}

struct victims {
	uint64_t named;
	uint64_t users; /* not named by group */
	char user[8][KMSG_NAME_MAX];
};

void kmsg_read(int fd, const char *group, uint32_t uid_base, uint64_t killed,
	       void (*victim)(void *data, const char *name, int above), void *data)
{
	char record[RECORD_MAX + 1];
	/* Of the last that was named: the second line comes a little after the process was counted. */
	static unsigned long named;
	struct victims v = { 0 };
	struct kmsg_victim one;

	for (int i = 0; fd >= 0 && i < RECORDS_MAX; i++) {
		ssize_t n = read(fd, record, RECORD_MAX);
		if (n < 0 && (errno == EPIPE || errno == EINTR))
			continue; /* overwritten before it was read */
		if (n <= 0)
			break;
		record[n] = '\0';
		enum kmsg_kind kind = kmsg_parse(record, group, uid_base, &one);
		if (kind == KMSG_GROUP) {
			victim(data, one.name, one.above);
			v.named++;
			named = one.pid;
		} else if (kind == KMSG_USER && one.pid != named) {
			if (v.users < ARRAY_SIZE(v.user))
				memcpy(v.user[v.users], one.name, sizeof(one.name));
			v.users++;
		}
	}
	for (uint64_t i = 0; v.named + v.users == killed && i < v.users && i < ARRAY_SIZE(v.user); i++)
		victim(data, v.user[i], KMSG_UNKNOWN);
}
