/* nss.c - see nss.h. */
#include "nss.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fs.h"

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(word, list[i]) == 0)
			return true;
	return false;
}

/* "[NOTFOUND=return]" may have spaces inside; it names no source. */
static void blank_actions(char *line)
{
	bool inside = false;

	for (; *line; line++) {
		inside |= *line == '[';
		bool last = *line == ']';
		if (inside)
			*line = ' ';
		if (last)
			inside = false;
	}
}

bool nss_text_is_local(char *text, char *offender, size_t size)
{
	static const char *const databases[] = { "passwd", "group", "initgroups", "shadow", "gshadow" };
	static const char *const local[] = { "files", "compat", "systemd", "sss", "db" };
	char *lines = NULL;

	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char *words = NULL;
		line[strcspn(line, "#")] = '\0';
		blank_actions(line);
		char *name = strtok_r(line, ": \t", &words);
		if (!name || !is_one_of(name, databases, ARRAY_SIZE(databases)))
			continue;
		for (char *s = strtok_r(NULL, ": \t\r", &words); s; s = strtok_r(NULL, ": \t\r", &words)) {
			if (is_one_of(s, local, ARRAY_SIZE(local)))
				continue;
			snprintf(offender, size, "%s", s);
			return false;
		}
	}
	return true;
}

bool nss_is_local(char *offender, size_t size)
{
	char text[16384];

	ssize_t n = fs_read_at(AT_FDCWD, "/etc/nsswitch.conf", text, sizeof(text));
	if (n == -ENOENT)
		return true;
	if (n < 0) {
		snprintf(offender, size, "unreadable nsswitch.conf");
		return false;
	}
	return nss_text_is_local(text, offender, size);
}
