/*
 * cgroup_io.c - limits of disks as values of the kernel's files, on v1 and v2; see cgroup_internal.h.
 *
 * Rules: Documentation/admin-guide/cgroup-v2.rst (io.max, io.weight), cgroup-v1/blkio-controller.rst, and block/bfq-iosched.rst.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cgroup_internal.h"
#include "cleanup.h"
#include "fs.h"
#include "text.h"
#include "units.h"

#define ALL_DISKS      "default" /* in the kernel's files of weights, the line for the others */
#define DEFAULT_WEIGHT 100
#define QOS_MAX	       8192

/* Files with a line for each disk, and what takes a line out. */
struct io_file {
	const char *file, *none;
};

static const struct io_file v1_files[] = {
	{ "blkio.throttle.read_bps_device", "0" },  { "blkio.throttle.write_bps_device", "0" },
	{ "blkio.throttle.read_iops_device", "0" }, { "blkio.throttle.write_iops_device", "0" },
	{ "blkio.bfq.weight_device", "default" },
};

static const struct io_file v2_files[] = {
	{ "io.max", "rbps=max wbps=max riops=max wiops=max" },
	{ "io.weight", "default" },
	{ "io.bfq.weight", "default" },
};

/* --- which disks --- */

/* The whole disk that `path` is or is on, as "MAJOR:MINOR": the kernel limits disks, and no partitions. */
static int find_disk(const char *path, char disk[CGROUP_DISK_MAX])
{
	char link[64];
	struct stat st;

	if (stat(path, &st) < 0)
		return -errno;
	dev_t dev = S_ISBLK(st.st_mode) ? st.st_rdev : st.st_dev;
	if (major(dev) == 0)
		return -ENODEV;
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/partition", major(dev), minor(dev));
	if (access(link, F_OK) < 0) {
		snprintf(disk, CGROUP_DISK_MAX, "%u:%u", major(dev), minor(dev));
		return 0;
	}
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u/../dev", major(dev), minor(dev));
	ssize_t n = fs_read_at(AT_FDCWD, link, disk, CGROUP_DISK_MAX);
	if (n < 0)
		return (int)n;
	disk[strcspn(disk, "\n")] = '\0';
	return 0;
}

static void lower(uint64_t *limit, uint64_t to)
{
	if (to < *limit) /* UNIT_NONE is more than any */
		*limit = to;
}

size_t cgroup_io_merge(struct cgroup_io_disk *disks, size_t count, const char *disk,
		       const struct io_limit *io)
{
	size_t i = 0;

	while (i < count && strcmp(disks[i].disk, disk) != 0)
		i++;
	struct io_limit *merged = &disks[i].limit;
	if (i == count) {
		snprintf(disks[i].disk, sizeof(disks[i].disk), "%s", disk);
		*merged = *io;
		merged->next = NULL;
		return count + 1;
	}
	lower(&merged->read, io->read);
	lower(&merged->write, io->write);
	lower(&merged->read_ops, io->read_ops);
	lower(&merged->write_ops, io->write_ops);
	lower(&merged->weight, io->weight);
	return count;
}

/* Several entries may mean one disk: any path on it does. */
static int find_disks(struct cgroup_level *level, struct cgroup_io_disk *disks, size_t *count,
		      struct carrel_error *err)
{
	char disk[CGROUP_DISK_MAX], why[160];
	int r = 0;

	for (const struct io_limit *io = level->limits->io; io && *count < IO_LIMITS_MAX; io = io->next) {
		snprintf(disk, sizeof(disk), ALL_DISKS);
		int found = io->device ? find_disk(io->device, disk) : 0;
		if (found == 0) {
			*count = cgroup_io_merge(disks, *count, disk, io);
			continue;
		}
		snprintf(why, sizeof(why), "'%.100s' is not on a block device%s%s", io->device,
			 found == -ENODEV ? "" : ": ", found == -ENODEV ? "" : strerror(-found));
		int cannot = cgroup_cannot(level, "io", why, r < 0 ? NULL : err);
		r = r < 0 ? r : cannot;
	}
	return r;
}

/* --- throttling --- */

static struct cgroup_value *add_line(struct cgroup_values *all, const char *file, const char *none,
				     const char *disk, uint64_t number)
{
	const char *controller = strncmp(file, "blkio.", 6) == 0 ? "blkio" : "io";
	struct cgroup_value *v = cgroup_value_add(all, controller, "io", file, number, none);

	snprintf(v->device, sizeof(v->device), "%s", disk);
	v->none = none;
	return v;
}

static void throttle_v1(const struct io_limit *io, const char *disk, struct cgroup_values *all)
{
	/* In the order of v1_files. */
	const uint64_t numbers[] = { io->read, io->write, io->read_ops, io->write_ops };

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		add_line(all, v1_files[i].file, v1_files[i].none, disk, numbers[i]);
}

static void add_word(char *text, const char *name, uint64_t number)
{
	size_t n = strlen(text);

	if (number == UNIT_NONE)
		snprintf(text + n, CGROUP_TEXT_MAX - n, "%s%s=max", n ? " " : "", name);
	else
		snprintf(text + n, CGROUP_TEXT_MAX - n, "%s%s=%" PRIu64, n ? " " : "", name, number);
}

static void throttle_v2(const struct io_limit *io, const char *disk, struct cgroup_values *all)
{
	struct cgroup_value *v = add_line(all, v2_files[0].file, v2_files[0].none, disk, 0);

	v->text[0] = '\0';
	v->is_text = true;
	/* In the kernel's order, so that what is read is what was written. */
	add_word(v->text, "rbps", io->read);
	add_word(v->text, "wbps", io->write);
	add_word(v->text, "riops", io->read_ops);
	add_word(v->text, "wiops", io->write_ops);
}

static bool has_throttle(const struct io_limit *io)
{
	return io->read != UNIT_NONE || io->write != UNIT_NONE || io->read_ops != UNIT_NONE ||
	       io->write_ops != UNIT_NONE;
}

/* --- weights --- */

bool cgroup_io_is_bfq(const char *schedulers)
{
	return strstr(schedulers, "[bfq]");
}

bool cgroup_io_has_cost(const char *qos, const char *disk)
{
	size_t length;

	for (const char *line = qos; *line; line += length, line += *line == '\n') {
		length = strcspn(line, "\n");
		size_t name = strcspn(line, " \n");
		const char *on = strstr(line + name, " enable=1");
		bool same = !disk || (strlen(disk) == name && strncmp(line, disk, name) == 0);
		if (same && on && on < line + length)
			return true;
	}
	return false;
}

static bool disk_uses_bfq(const char *directory, const char *disk)
{
	char path[300], schedulers[256];

	return text_format(path, sizeof(path), "%s/%s/queue/scheduler", directory, disk) == 0 &&
	       fs_read_at(AT_FDCWD, path, schedulers, sizeof(schedulers)) > 0 && cgroup_io_is_bfq(schedulers);
}

static bool any_uses_bfq(void)
{
	_cleanup_dir_ DIR *dir = opendir("/sys/block");
	bool found = false;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));)
		found = entry->d_name[0] != '.' && disk_uses_bfq("/sys/block", entry->d_name);
	return found;
}

/* Of version 2, and in its root alone: within a container it cannot be seen, and then it is off. */
static bool uses_cost(struct cgroup_tree *tree, const char *disk)
{
	const struct controller *io = cgroup_controller(tree, "io");
	char qos[QOS_MAX];

	return io && io->v2 && fs_read_at(io->mount_fd, "io.cost.qos", qos, sizeof(qos)) > 0 &&
	       cgroup_io_has_cost(qos, disk);
}

/*
 * The files of a mechanism are there when the kernel knows it, and take and show a weight that no disk goes by. So what decides is what
 * the disk uses; both, if it does.
 */
static int weight_values(struct cgroup_tree *tree, struct cgroup_level *level,
			 const struct cgroup_io_disk *disk, struct cgroup_values *all,
			 struct carrel_error *err)
{
	bool all_disks = strcmp(disk->disk, ALL_DISKS) == 0;
	bool cost = uses_cost(tree, all_disks ? NULL : disk->disk);
	bool bfq = all_disks ? any_uses_bfq() : disk_uses_bfq("/sys/dev/block", disk->disk);
	bool v2 = cgroup_is_v2(tree, "io");
	char why[160];

	if (cost)
		add_line(all, "io.weight", "default", disk->disk, disk->limit.weight);
	if (bfq)
		add_line(all, v2 ? "io.bfq.weight" : "blkio.bfq.weight_device", "default", disk->disk,
			 disk->limit.weight);
	if (cost || bfq)
		return 0;
	if (all_disks)
		return cgroup_cannot(level, "io", "a weight needs BFQ or io.cost, and no disk here uses one",
				     err);
	snprintf(why, sizeof(why), "a weight needs BFQ or io.cost, and the disk of '%.90s' uses neither",
		 disk->limit.device);
	return cgroup_cannot(level, "io", why, err);
}

/* --- all of it --- */

static bool is_wanted(const struct cgroup_values *all, const char *file, const char *disk)
{
	for (size_t i = 0; i < all->count; i++)
		if (strcmp(all->list[i].device, disk) == 0 && strcmp(all->list[i].file, file) == 0)
			return true;
	return false;
}

/* What is limited now and the policy has no word about any more. */
static void unlimit_others(struct cgroup_tree *tree, const struct cgroup_level *level, const char *controller,
			   const struct io_file *file, struct cgroup_values *all)
{
	static const struct io_limit nothing = { NULL,	    UNIT_NONE, UNIT_NONE, UNIT_NONE,
						 UNIT_NONE, UNIT_NONE, NULL };
	char text[1024], *save = NULL;

	if (cgroup_read(tree, controller, level->name, file->file, text, sizeof(text)) <= 0)
		return;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, " ")] = '\0';
		if (is_wanted(all, file->file, line))
			continue;
		if (file == &v2_files[0])
			throttle_v2(&nothing, line, all);
		else
			add_line(all, file->file, file->none, line,
				 strcmp(line, ALL_DISKS) == 0 ? DEFAULT_WEIGHT : UNIT_NONE);
	}
}

int cgroup_io_values(struct cgroup_tree *tree, struct cgroup_level *level, struct cgroup_values *all,
		     struct carrel_error *err)
{
	bool v2 = cgroup_controller(tree, "io"), v1 = !v2 && cgroup_controller(tree, "blkio");
	struct cgroup_io_disk disks[IO_LIMITS_MAX];
	size_t count = 0;

	if (level->limits->io && !v1 && !v2)
		return cgroup_cannot(level, "io", "the kernel here has no controller for it", err);
	int r = find_disks(level, disks, &count, err);
	for (size_t i = 0; i < count; i++) {
		const struct io_limit *io = &disks[i].limit;
		if (has_throttle(io) && v2)
			throttle_v2(io, disks[i].disk, all);
		else if (has_throttle(io))
			throttle_v1(io, disks[i].disk, all);
		int w = io->weight == UNIT_NONE
				? 0
				: weight_values(tree, level, &disks[i], all, r < 0 ? NULL : err);
		r = r < 0 ? r : w;
	}
	/* An error is about something that is not in the list, and may be there. */
	for (size_t i = 0; r == 0 && v2 && i < ARRAY_SIZE(v2_files); i++)
		unlimit_others(tree, level, "io", &v2_files[i], all);
	for (size_t i = 0; r == 0 && v1 && i < ARRAY_SIZE(v1_files); i++)
		unlimit_others(tree, level, "blkio", &v1_files[i], all);
	return r;
}
