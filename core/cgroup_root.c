/*
 * cgroup_root.c - whether somebody manages the cgroup tree, and where Carrel's own groups are; see cgroup.h.
 *
 * systemd on version 2 takes the controllers away from groups that it does not know, at the next daemon-reload. On
 * version 1, and where both are mounted, it leaves what others made in a controller's hierarchy alone, and only
 * the hierarchy in which it tracks processes is its own.
 */
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"

#define UNIFIED "/sys/fs/cgroup"

/* Where it may track processes, the first of them that is there. */
static const struct cgroup_manager places[] = {
	{ UNIFIED, true },
	{ UNIFIED "/unified", true },
	{ UNIFIED "/systemd", false },
};

int cgroup_text_path(const char *text, bool v2, char *path, size_t size)
{
	const char *names = v2 ? "" : "name=systemd";

	for (const char *line = text; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		const char *list = strchr(line, ':');
		const char *group = list ? strchr(list + 1, ':') : NULL;

		if (!group || (size_t)(group - line) > strcspn(line, "\n"))
			continue;
		size_t length = (size_t)(group - list - 1);
		if (length == strlen(names) && strncmp(list + 1, names, length) == 0)
			return text_format(path, size, "%.*s", (int)strcspn(group + 1, "\n"), group + 1);
	}
	return -ENOENT;
}

int cgroup_of_process(const char *process, bool v2, char *path, size_t size)
{
	char file[32], text[8192];

	int r = text_format(file, sizeof(file), "/proc/%s/cgroup", process);
	if (r < 0)
		return r;
	ssize_t n = fs_read_at(AT_FDCWD, file, text, sizeof(text));
	return n < 0 ? (int)n : cgroup_text_path(text, v2, path, size);
}

static bool is_place(const struct cgroup_manager *place)
{
	struct statfs fs;

	if (statfs(place->mount, &fs) < 0)
		return false;
	return fs.f_type == (place->v2 ? CGROUP2_SUPER_MAGIC : CGROUP_SUPER_MAGIC);
}

const struct cgroup_manager *cgroup_manager(void)
{
	char path[64];

	/* The directory is how sd_booted(3) knows; in a container it may be another machine's. */
	if (access("/run/systemd/system", F_OK) < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (is_place(&places[i]))
			return cgroup_of_process("1", places[i].v2, path, sizeof(path)) == 0 &&
					       strcmp(path, "/init.scope") == 0
				       ? &places[i]
				       : NULL;
	return NULL;
}

const char *cgroup_root(void)
{
	const struct cgroup_manager *manager = cgroup_manager();

	return manager && strcmp(manager->mount, UNIFIED) == 0 ? CGROUP_SCOPE : CGROUP_ROOT;
}

int cgroup_session_name(char *name, size_t size, const char *group, uid_t uid, const char *id)
{
	return text_format(name, size, "%s%s%s/%u/%s", cgroup_root(), group && *group ? "/" : "",
			   group ? group : "", uid, id);
}

bool cgroup_name_up(char *name)
{
	size_t root = strlen(cgroup_root());
	char *slash = strrchr(name, '/');

	if (!slash || (size_t)(slash - name) <= root)
		return false;
	*slash = '\0';
	return true;
}
