/* cgroup_check.c - whether limits could be enforced, without making a group: see cgroup_check in cgroup.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "cleanup.h"
#include "fs.h"
#include "text.h"

bool cgroup_has(struct cgroup_tree *tree, const char *controller)
{
	return cgroup_controller(tree, controller) != NULL;
}

static bool has(const struct controller *controller, const char *group, const char *file)
{
	char path[CGROUP_PATH_MAX];

	return cgroup_path(path, group, file, NULL) == 0 &&
	       faccessat(controller->mount_fd, path, F_OK, 0) == 0;
}

/*
 * A group of version 2 at the top of the hierarchy, for what a group of Carrel's would have: version 2 shows the files of a
 * controller only in groups that have got it. One with both controllers where there is such. False: none.
 */
static bool find_example(const struct controller *memory, char name[CGROUP_PATH_MAX])
{
	_cleanup_dir_ DIR *dir = fs_opendir(memory->mount_fd);
	bool found = false;

	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.' ||
		    !has(memory, entry->d_name, "memory.max"))
			continue;
		bool both = has(memory, entry->d_name, "io.max");
		if ((!found || both) && text_format(name, CGROUP_PATH_MAX, "%s", entry->d_name) == 0)
			found = true;
		if (found && both)
			break;
	}
	return found;
}

static int check_level(struct cgroup_tree *tree, const struct controller *memory, const char *example,
		       struct cgroup_level *level, struct carrel_error *err)
{
	struct limits known = *level->limits;
	struct cgroup_level like = *level;
	struct cgroup_values values;

	like.limits = &known;
	if (text_format(like.name, sizeof(like.name), "%s", example ? example : level->name) < 0)
		return error_set(err, ENAMETOOLONG, "the name of a group is too long");
	/* What no group shows cannot be told: the controllers are there. */
	if (memory->v2 && !example)
		known.swap = UNIT_NONE;
	int r = cgroup_values(tree, &like, &values, err);
	memcpy(level->skipped, like.skipped, sizeof(level->skipped));
	return r;
}

int cgroup_check(struct cgroup_tree *tree, struct cgroup_level *levels, size_t count,
		 struct carrel_error *err)
{
	const struct controller *memory = cgroup_controller(tree, "memory");
	char example[CGROUP_PATH_MAX];
	bool found = memory->v2 && find_example(memory, example);

	for (size_t i = 0; i < count; i++) {
		int r = check_level(tree, memory, found ? example : NULL, &levels[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}
