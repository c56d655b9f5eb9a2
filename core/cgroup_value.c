/*
 * cgroup_value.c - limits of the policy as values of the kernel's files, on v1 and v2; see cgroup_internal.h.
 *
 * Rules: Documentation/admin-guide/cgroup-v2.rst, and cgroup-v1/memory.rst and scheduler/sched-bwc.rst.
 */
#include "cgroup_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "fs.h"
#include "text.h"
#include "units.h"

#define PERIOD_US   100000u		  /* of CPU bandwidth: the kernel's own default */
#define V1_NO_LIMIT 0x7ffffffffffff000ull /* what v1 shows for "-1" is this, rounded to pages */

/* --- the list --- */

struct cgroup_value *cgroup_value_add(struct cgroup_values *all, const char *controller, const char *key,
				      const char *file, uint64_t number, const char *none)
{
	struct cgroup_value *v = &all->list[all->count];

	/* A policy has at most IO_DEVICES_MAX devices, so this is room enough; cgroup_values checks. */
	if (all->count + 1 < CGROUP_VALUES_MAX)
		all->count++;
	*v = (struct cgroup_value){ .controller = controller, .key = key, .file = file, .number = number };
	if (number == UNIT_NONE)
		snprintf(v->text, sizeof(v->text), "%s", none);
	else
		snprintf(v->text, sizeof(v->text), "%" PRIu64, number);
	return v;
}

bool cgroup_skip(struct cgroup_level *level, const char *key)
{
	char label[64];
	size_t used = strlen(level->skipped);

	snprintf(label, sizeof(label), "%s.%s", level->label, key);
	if (!policy_is_optional(level->optional, label))
		return false;
	if (!strstr(level->skipped, label))
		snprintf(level->skipped + used, sizeof(level->skipped) - used, "%s%s", used ? ", " : "",
			 label);
	return true;
}

int cgroup_cannot(struct cgroup_level *level, const char *key, const char *why, struct carrel_error *err)
{
	if (cgroup_skip(level, key))
		return 0;
	return error_set(err, ENOTSUP, "limit '%s.%s' cannot be enforced: %s", level->label, key, why);
}

/*
 * Whether a group there would have the file. v1's root has what is asked for here; v2's has not, but the level above has, or the group
 * itself when it is there.
 */
static bool has_file(struct cgroup_tree *tree, const char *controller, const char *group, const char *file)
{
	struct controller *c = cgroup_controller(tree, controller);
	char path[CGROUP_PATH_MAX], above[CGROUP_PATH_MAX];

	if (!c)
		return false;
	if (!c->v2)
		return faccessat(c->mount_fd, file, F_OK, 0) == 0;
	if (cgroup_path(path, group, file, NULL) == 0 && faccessat(c->mount_fd, path, F_OK, 0) == 0)
		return true;
	const char *slash = strrchr(group, '/');
	return slash && text_format(above, sizeof(above), "%.*s", (int)(slash - group), group) == 0 &&
	       cgroup_path(path, above, file, NULL) == 0 && faccessat(c->mount_fd, path, F_OK, 0) == 0;
}

/* --- memory, cpu, pids --- */

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == UNIT_NONE || b == UNIT_NONE || a + b < a ? UNIT_NONE : a + b;
}

static bool host_swaps(void)
{
	char swaps[512];

	return fs_read_at(AT_FDCWD, "/proc/swaps", swaps, sizeof(swaps)) < 0 || strchr(swaps, '/');
}

/*
 * memory before swap: v1 refuses a memsw limit below the memory limit. tcp.limit because v1 counts TCP buffers
 * apart, and without it they escape the memory limit.
 */
static int memory_values(struct cgroup_tree *tree, struct cgroup_level *level, struct cgroup_values *all,
			 struct carrel_error *err)
{
	const struct limits *l = level->limits;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	bool v2 = cgroup_is_v2(tree, "memory");
	const char *none = v2 ? "max" : "-1";
	const char *swap_file = v2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
	static const char tcp_file[] = "memory.kmem.tcp.limit_in_bytes";

	cgroup_value_add(all, "memory", "memory", v2 ? "memory.max" : "memory.limit_in_bytes", l->memory,
			 none)
		->rounding = page;
	if (!v2 && has_file(tree, "memory", level->name, tcp_file))
		cgroup_value_add(all, "memory", "memory", tcp_file, l->memory, none)->rounding = page;
	if (has_file(tree, "memory", level->name, swap_file))
		cgroup_value_add(all, "memory", "swap", swap_file, v2 ? l->swap : sum(l->memory, l->swap),
				 none)
			->rounding = page;
	else if (l->swap != UNIT_NONE && l->memory != UNIT_NONE && host_swaps())
		return cgroup_cannot(level, "swap", "the kernel here does not count swap", err);
	return 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * The least that a level above has on v1, which lets no group have more than that: one above may keep an older limit, or be a
 * budget that the user is no longer in.
 */
static uint64_t cpus_there(struct cgroup_tree *tree, const char *group)
{
	char above[CGROUP_PATH_MAX], quota[32], period[32];
	uint64_t cpus = UNIT_NONE;

	if (text_format(above, sizeof(above), "%s", group) < 0)
		return cpus;
	for (char *slash = strrchr(above, '/'); slash; slash = strrchr(above, '/')) {
		*slash = '\0';
		if (cgroup_read(tree, "cpu", above, "cpu.cfs_quota_us", quota, sizeof(quota)) > 0 &&
		    *quota != '-' &&
		    cgroup_read(tree, "cpu", above, "cpu.cfs_period_us", period, sizeof(period)) > 0)
			cpus = least(cpus, strtoull(quota, NULL, 10) * 1000 / strtoull(period, NULL, 10));
	}
	return cpus;
}

static void cpu_values(struct cgroup_tree *tree, const struct cgroup_level *level, struct cgroup_values *all)
{
	bool v2 = cgroup_is_v2(tree, "cpu");
	uint64_t cpus = least(level->limits->cpus, level->cpus_above);
	if (!v2 && cpus != UNIT_NONE)
		cpus = least(cpus, cpus_there(tree, level->name));
	uint64_t quota = cpus == UNIT_NONE ? UNIT_NONE : cpus * PERIOD_US / 1000;
	uint64_t weight = level->limits->cpu_weight;

	if (v2) {
		struct cgroup_value *v = cgroup_value_add(all, "cpu", "cpus", "cpu.max", quota, "max");
		size_t n = strlen(v->text);
		snprintf(v->text + n, sizeof(v->text) - n, " %u", PERIOD_US);
		v->is_text = true;
		cgroup_value_add(all, "cpu", "cpu_weight", "cpu.weight", weight == UNIT_NONE ? 100 : weight,
				 "");
		return;
	}
	cgroup_value_add(all, "cpu", "cpus", "cpu.cfs_period_us", PERIOD_US, "");
	cgroup_value_add(all, "cpu", "cpus", "cpu.cfs_quota_us", quota, "-1");
	/* v1 counts shares where 1024 is everybody's, v2 weights where 100 is; 2 is v1's smallest. */
	uint64_t shares = weight == UNIT_NONE ? 1024 : weight * 1024 / 100;
	cgroup_value_add(all, "cpu", "cpu_weight", "cpu.shares", shares < 2 ? 2 : shares, "");
}

/* --- all of it --- */

int cgroup_values(struct cgroup_tree *tree, struct cgroup_level *level, struct cgroup_values *values,
		  struct carrel_error *err)
{
	values->count = 0;
	int r = memory_values(tree, level, values, err);
	cpu_values(tree, level, values);
	cgroup_value_add(values, "pids", "pids", "pids.max", level->limits->pids, "max");
	int io = cgroup_io_values(tree, level, values, r < 0 ? NULL : err);
	r = r < 0 ? r : io;
	if (r == 0 && values->count + 1 >= CGROUP_VALUES_MAX)
		r = error_set(err, E2BIG, "'%s.io' names too many devices", level->label);
	return r;
}

/* --- reading back --- */

int cgroup_value_read(struct cgroup_tree *tree, const char *group, const struct cgroup_value *value,
		      char text[CGROUP_TEXT_MAX])
{
	char all[2048], *line, *save = NULL;
	ssize_t n = cgroup_read(tree, value->controller, group, value->file, all, sizeof(all));

	if (n < 0)
		return (int)n;
	if (!*value->device) {
		all[strcspn(all, "\n")] = '\0';
		return text_format(text, CGROUP_TEXT_MAX, "%s", all);
	}
	size_t length = strlen(value->device);
	for (line = strtok_r(all, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (strncmp(line, value->device, length) == 0 && line[length] == ' ')
			return text_format(text, CGROUP_TEXT_MAX, "%s", line + length + 1);
	text[0] = '\0';
	return 0;
}

/* What the kernel shows, as a number. */
static uint64_t number_of(const char *text)
{
	if (!*text || *text == '-' || strncmp(text, "max", 3) == 0)
		return UNIT_NONE;
	uint64_t number = strtoull(text, NULL, 10);
	return number >= V1_NO_LIMIT - (1u << 20) ? UNIT_NONE : number;
}

bool cgroup_value_holds(const struct cgroup_value *value, const char *text)
{
	/* A disk without any limit has no line. */
	if (value->is_text && *value->device && !*text)
		return strcmp(value->text, value->none) == 0;
	if (value->is_text)
		return strcmp(text, value->text) == 0;
	uint64_t is = number_of(text);
	if (value->number == UNIT_NONE || is == UNIT_NONE)
		return is == value->number;
	return is <= value->number && value->number - is < (value->rounding ? value->rounding : 1);
}

bool cgroup_value_lowers(const struct cgroup_value *value, const char *text)
{
	return value->number < number_of(text);
}
