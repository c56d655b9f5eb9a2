/* test_disk_image.c - core/disk_image.c and core/program.c: sizes, and images made by the real mkfs.ext4. As root. */
#include <string.h>

#include "core/disk_image.h"
#include "core/program.h"
#include "core/units.h"
#include "own_tmpfs.h"

#define MIB 1048576ull
#define GIB (1024 * MIB)

static struct disk_image plan_for(uint64_t disk, uint64_t inodes)
{
	const struct limits limits = { .disk = disk, .inodes = inodes };
	struct disk_image plan = { 0 };

	disk_image_plan(&limits, 100 * GIB, &plan);
	return plan;
}

static void test_plan(void **state)
{
	static const uint64_t sizes[] = { MIB, 10 * MIB, 64 * MIB, 2 * GIB, 500 * GIB };

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct disk_image plan = plan_for(sizes[i], UNIT_NONE);
		uint64_t bytes = plan.blocks * plan.block_size;
		assert_true(bytes > sizes[i]);
		assert_true(bytes < sizes[i] + sizes[i] / 8 + 8 * MIB);
		assert_true(plan_for(sizes[i], 5000).inodes >= 5000);
		assert_true(plan_for(sizes[i], 5000).inodes < 5200 + 4000 * 8);
	}
	/* Without a limit of space as large as the host's filesystem. */
	struct disk_image plan = plan_for(UNIT_NONE, 1000);
	assert_true(plan.blocks * plan.block_size >= 100 * GIB);
}

static void test_fits(void **state)
{
	struct disk_image plan = plan_for(GIB, 5000), have = plan;

	assert_true(disk_image_fits(&have, &plan));
	have.inodes += 100; /* mkfs.ext4 rounds up */
	assert_true(disk_image_fits(&have, &plan));
	have.inodes = plan.inodes - 100;
	assert_false(disk_image_fits(&have, &plan));
	have.inodes = 2 * plan.inodes;
	assert_false(disk_image_fits(&have, &plan));
	have = plan;
	have.blocks++;
	assert_false(disk_image_fits(&have, &plan));
}

/* What mkfs.ext4 makes is what was planned, from the smallest limit to a large one, and takes next to nothing. */
static void test_make(void **state)
{
	static const struct {
		uint64_t disk, inodes;
	} cases[] = { { MIB, 64 },	   { MIB, UNIT_NONE },	 { 8 * MIB, 300 },     { 24 * MIB, 400 },
		      { 2 * GIB, 204800 }, { 64 * GIB, 100000 }, { UNIT_NONE, 100000 } };
	struct carrel_error err = { 0 };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct disk_image plan = plan_for(cases[i].disk, cases[i].inodes), have = { 0 };
		int r = disk_image_make(top, &plan, 20000, &err);
		if (r < 0)
			fail_msg("case %zu: %s", i, err.msg);
		assert_int_equal(disk_image_read(top, DISK_IMAGE_NEW, &have, &err), 0);
		if (!disk_image_fits(&have, &plan))
			fail_msg("case %zu: %ju blocks for %ju, %ju inodes for %ju", i,
				 (uintmax_t)have.blocks, (uintmax_t)plan.blocks, (uintmax_t)have.inodes,
				 (uintmax_t)plan.inodes);
		assert_int_equal(stat(DISK_IMAGE_NEW, &st), 0);
		assert_true(st.st_blocks * 512 < (off_t)(8 * MIB));
		assert_false(have.damaged);
		if (cases[i].inodes != UNIT_NONE)
			assert_true(have.inodes - have.used_inodes >= cases[i].inodes + 25);
		/* The room that is left is what was asked for. */
		if (cases[i].disk != UNIT_NONE)
			assert_true((have.blocks - have.used_blocks) * have.block_size >= cases[i].disk);
	}
}

static void test_read_refuses(void **state)
{
	struct carrel_error err = { 0 };
	struct disk_image image;
	_cleanup_close_ int fd = open("zero", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_int_equal(disk_image_read(top, "missing", &image, &err), -ENOENT);
	assert_int_equal(disk_image_read(top, "zero", &image, &err), -EBADMSG);
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(disk_image_read(top, "zero", &image, &err), -EBADMSG);
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(disk_image_read(top, "fifo", &image, &err), -EINVAL);
	assert_int_equal(symlink("zero", "link"), 0);
	assert_int_equal(disk_image_read(top, "link", &image, &err), -ELOOP);
}

static int run(const char *script, int timeout_ms, struct carrel_error *err)
{
	char program[] = "sh", option[] = "-c", text[128];
	char *const argv[] = { program, option, text, NULL };

	snprintf(text, sizeof(text), "%s", script);
	return program_run(argv, top, timeout_ms, err);
}

static void test_program(void **state)
{
	struct carrel_error err = { 0 };
	char missing[] = "no-such-program", *const argv[] = { missing, NULL };

	assert_true(program_exists("sh"));
	assert_false(program_exists("no-such-program"));
	assert_int_equal(program_run(argv, top, 1000, &err), -ENOENT);
	assert_int_equal(run("test \"$(pwd)\" = /tmp && test -z \"$HOME\"", 10000, &err), 0);
	assert_int_equal(run("echo first; echo second; exit 3", 10000, &err), 3);
	assert_string_equal(err.msg, "'sh' failed: first");
	assert_int_equal(run("yes | head -c 100000; exit 1", 10000, &err), 1);
	assert_int_equal(run("kill -9 $$", 10000, &err), -EIO);
	assert_int_equal(run("exec sleep 100", 100, &err), -ETIMEDOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plan),	cmocka_unit_test(test_fits),
		cmocka_unit_test(test_make),	cmocka_unit_test(test_read_refuses),
		cmocka_unit_test(test_program),
	};
	return cmocka_run_group_tests_name("disk_image", tests, own_tmp, NULL);
}
