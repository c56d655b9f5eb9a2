/* Names of states and snapshots, owners, records: what is on disk and comes from names that people choose. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/change.h"
#include "core/cleanup.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "core/state.h"

static int dir_fd;
static char dir_path[] = "/tmp/test_state.XXXXXX";

static int make_dir(void **state)
{
	if (!mkdtemp(dir_path))
		return -1;
	dir_fd = open(dir_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir_fd < 0 ? -1 : 0;
}

static int remove_dir(void **state)
{
	int tmp = open("/tmp", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = fs_remove_tree(tmp, dir_path + strlen("/tmp/"));

	close(tmp);
	close(dir_fd);
	return r;
}

static void write_file(const char *name, const char *text)
{
	assert_int_equal(fs_replace_at(dir_fd, name, text, strlen(text), 0600), 0);
}

static void test_names_of_states(void **state)
{
	static const struct {
		const char *name;
		bool valid, kept;
		uid_t uid;
	} cases[] = {
		{ "1001", true, false, 1001 },
		{ "0", true, false, 0 },
		{ "4294967294", true, false, 4294967294u },
		{ "4294967295", false, false, 0 },
		{ "01001", false, false, 0 },
		{ "", false, false, 0 },
		{ "u1", false, false, 0 },
		{ "-1", false, false, 0 },
		{ "1001.u1.1700000000", true, true, 1001 },
		{ "1001.first.last.1700000000", true, true, 1001 },
		{ "1001.u1.", false, false, 0 },
		{ "1001.u1", false, false, 0 },
		{ "1001.1700000000", false, false, 0 },
		{ ".removed-1001", false, false, 0 },
		{ "1001/../..", false, false, 0 },
		{ "1001.a/b.1700000000", false, false, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uid_t uid = 77;
		bool kept = false;
		if (state_name_valid(cases[i].name, &uid, &kept) != cases[i].valid)
			fail_msg("'%s'", cases[i].name);
		if (cases[i].valid) {
			assert_int_equal(uid, cases[i].uid);
			assert_int_equal(kept, cases[i].kept);
		}
	}
}

static void test_owner(void **state)
{
	static const char *const bad[] = {
		"",	      "1001 u1 5",	   "1001 u1 5\nx", "u1 1001 5\n", "1001 5\n",
		"1001  5\n",  "1001 u1 -5\n",	   "1001 u1 05\n", "1001 u1 x\n", "01 u1 5\n",
		"1001u1 5\n", "99999999999 u1 5\n"
	};
	struct state_owner owner;
	struct carrel_error err = { 0 };

	assert_int_equal(state_read_owner(dir_fd, &owner, &err), -ENOENT);
	write_file("owner", "1001 u1 1700000000\n");
	assert_int_equal(state_read_owner(dir_fd, &owner, &err), 0);
	assert_int_equal(owner.uid, 1001);
	assert_string_equal(owner.name, "u1");
	assert_int_equal(owner.since, 1700000000);
	write_file("owner", "1001 DOMAIN\\first last 5\n");
	assert_int_equal(state_read_owner(dir_fd, &owner, &err), 0);
	assert_string_equal(owner.name, "DOMAIN\\first last");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file("owner", bad[i]);
		if (state_read_owner(dir_fd, &owner, &err) != -EBADMSG)
			fail_msg("'%s' was taken", bad[i]);
	}
}

/* What is known of the home follows the line that there has always been, and need not be there. */
static void test_home_of_owner(void **state)
{
	static const char *const bad[] = { "1001 u1 5\n\n",
					   "1001 u1 5\nhome.inode=\n",
					   "1001 u1 5\nhome.inode=-1\n",
					   "1001 u1 5\nhome.inode=1\nhome.inode=1\n",
					   "1001 u1 5\nother=1\n",
					   "1001 u1 5\nhome.inode=1" };
	struct state_owner owner = { .uid = 7, .since = 5 }, again;
	struct carrel_error err = { 0 };

	write_file("owner", "1001 u1 5\n");
	assert_int_equal(state_read_owner(dir_fd, &again, &err), 0);
	assert_int_equal(again.home.inode, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		write_file("owner", bad[i]);
		if (state_read_owner(dir_fd, &again, &err) != -EBADMSG)
			fail_msg("'%s' was taken", bad[i]);
	}
	for (int known = 0; known < 2; known++) {
		memset(owner.name, 'n', sizeof(owner.name) - 1);
		owner.home = known ? (struct home_id){ UINT64_MAX, UINT64_MAX } : (struct home_id){ 0 };
		assert_int_equal(state_write_owner(dir_fd, &owner, &err), 0);
		assert_int_equal(state_read_owner(dir_fd, &again, &err), 0);
		assert_int_equal(again.uid, 7);
		assert_int_equal(again.since, 5);
		assert_string_equal(again.name, owner.name);
		assert_memory_equal(&again.home, &owner.home, sizeof(owner.home));
		assert_true(again.last_login > 1700000000);
	}
}

static void test_kept_aside(void **state)
{
	const struct state_owner owner = { .uid = 42, .name = "a b/c" };
	char name[STATE_NAME_MAX], again[STATE_NAME_MAX];
	struct carrel_error err = { 0 };
	uid_t uid;
	bool kept;

	assert_int_equal(mkdirat(dir_fd, "42", 0700), 0);
	assert_int_equal(state_keep_aside(dir_fd, &owner, name, &err), 0);
	assert_true(state_name_valid(name, &uid, &kept) && kept && uid == 42);
	assert_memory_equal(name, "42.a_b_c.", 9);
	assert_int_equal(faccessat(dir_fd, name, F_OK, 0), 0);
	/* Once more in the same second. */
	assert_int_equal(mkdirat(dir_fd, "42", 0700), 0);
	assert_int_equal(state_keep_aside(dir_fd, &owner, again, &err), 0);
	assert_string_not_equal(name, again);
	assert_int_equal(state_remove(dir_fd, name, &err), 0);
	assert_int_equal(state_remove(dir_fd, again, &err), 0);
	assert_int_equal(state_sweep(dir_fd, &err), 0);
	assert_int_equal(mkdirat(dir_fd, ".removed-43-1", 0700), 0);
	assert_int_equal(state_sweep(dir_fd, &err), 1);
}

static void make_state(const char *name, const char *content)
{
	assert_int_equal(mkdirat(dir_fd, name, 0700), 0);
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fs_replace_at(fd, "image", content, strlen(content), 0600), 0);
}

static void expect_state(const char *name, const char *content)
{
	char text[IMAGE_NAME_MAX + 1];
	_cleanup_close_ int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(state_read_image(fd, text, NULL), 0);
	assert_string_equal(text, content);
}

static void test_adopted(void **state)
{
	const struct state_owner now = { .uid = 44, .name = "new" }, nameless = { .uid = 44 };
	char name[STATE_NAME_MAX], again[STATE_NAME_MAX];
	struct carrel_error err = { 0 };
	uid_t uid;
	bool kept;

	/* With nothing in its place. */
	make_state("44.old.1", "old");
	assert_int_equal(state_adopt(dir_fd, "44.old.1", 44, NULL, name, &err), 0);
	expect_state("44", "old");
	assert_int_equal(faccessat(dir_fd, "44.old.1", F_OK, 0), -1);
	/* Nothing is replaced unasked, and nothing made of nothing. */
	make_state("44.new.1", "new");
	assert_int_equal(state_adopt(dir_fd, "44.new.1", 44, NULL, name, &err), -EEXIST);
	assert_int_equal(state_adopt(dir_fd, "44.no.1", 44, &now, name, &err), -ENOENT);
	expect_state("44", "old");
	/* In the place of another. */
	assert_int_equal(state_adopt(dir_fd, "44.new.1", 44, &now, name, &err), 0);
	expect_state("44", "new");
	assert_memory_equal(name, "44.new.", 7);
	expect_state(name, "old");
	/* Whose owner cannot be read. */
	assert_int_equal(state_adopt(dir_fd, name, 44, &nameless, again, &err), 0);
	expect_state("44", "old");
	assert_true(state_name_valid(again, &uid, &kept) && kept && uid == 44);
	expect_state(again, "new");
}

/* In the order of a tmpfs, whichever that is, one that cannot be removed comes before another. As root. */
static void test_sweep_goes_on(void **state)
{
	static const char *const names[] = { ".removed-1-1", ".removed-2-1", ".removed-3-1" };
	struct carrel_error err = { 0 };

	assert_int_equal(mkdirat(dir_fd, "users", 0700), 0);
	assert_int_equal(unshare(CLONE_NEWNS), 0);
	assert_int_equal(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	assert_int_equal(chdir(dir_path), 0);
	assert_int_equal(mount("none", "users", "tmpfs", 0, NULL), 0);
	_cleanup_close_ int users = open("users", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(mkdirat(users, names[i], 0700), 0);
	assert_int_equal(fchdir(users), 0);
	assert_int_equal(mkdir(".removed-1-1/in", 0700) | mkdir(".removed-3-1/in", 0700), 0);
	assert_int_equal(mount("none", ".removed-1-1/in", "tmpfs", 0, NULL), 0);
	assert_int_equal(mount("none", ".removed-3-1/in", "tmpfs", 0, NULL), 0);
	assert_true(state_sweep(users, &err) < 0);
	assert_non_null(strstr(err.msg, "cannot remove '.removed-"));
	assert_int_equal(access(".removed-2-1", F_OK), -1);
	assert_int_equal(umount(".removed-1-1/in") | umount(".removed-3-1/in"), 0);
	assert_int_equal(state_sweep(users, &err), 2);
	assert_int_equal(chdir(dir_path), 0);
	assert_int_equal(umount2("users", MNT_DETACH), 0);
}

static void test_snapshots(void **state)
{
	static const char good[] = "name=%s\nimage=alpine\nby=root\ntaken=%d\nbytes=1\nentries=2\n";
	struct snapshot *list = NULL, one;
	struct carrel_error err = { 0 };
	char text[256];

	assert_int_equal(snapshot_read(dir_fd, "a", &one, &err), -ENOENT);
	assert_int_equal(snapshot_read(dir_fd, "../a", &one, &err), -EINVAL);
	snprintf(text, sizeof(text), good, "late", 9);
	write_file("snapshot.late", text);
	snprintf(text, sizeof(text), good, "early", 5);
	write_file("snapshot.early", text);
	assert_int_equal(snapshot_list(dir_fd, &list, &err), 2);
	assert_string_equal(list[0].name, "early");
	assert_string_equal(list[1].name, "late");
	free(list);
	write_file("snapshot.other", text);
	assert_int_equal(snapshot_list(dir_fd, &list, &err), -EBADMSG);
	assert_non_null(strstr(err.msg, "it is of another snapshot"));
	assert_int_equal(unlinkat(dir_fd, "snapshot.other", 0), 0);
	assert_true(snapshot_name_valid("a.b-c_9"));
	assert_false(snapshot_name_valid(".a"));
	assert_false(snapshot_name_valid(""));
}

static void test_blocks_of_ids(void **state)
{
	static const struct {
		uint32_t base;
		bool reserved;
	} cases[] = {
		{ 0, true },	       { 65535, true },	       { 65536, false },       { 100000, false },
		{ 458752, false },     { 458753, true },       { 524288, true },       { 1879048191, true },
		{ 1879048192, false }, { 2147483648u, false }, { 4294901759u, false }, { 4294901760u, true },
	};
	struct carrel_error err = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct idmap map = { cases[i].base, cases[i].base }, mixed = { 100000, cases[i].base };
		if (idmap_is_reserved(&map, &err) != cases[i].reserved ||
		    idmap_is_reserved(&mixed, &err) != cases[i].reserved)
			fail_msg("%u", cases[i].base);
	}
}

/* The first block that is tried for this uid has it in it. No account here has it, so NSS lists none either. */
#define IN_ITS_BLOCK 2147488000u

static void test_no_block_has_its_own_login(void **state)
{
	struct idmap map = { 0, 0 }, again = { 0, 0 };
	struct carrel_error note = { 0 }, err = { 0 };
	char text[16];

	snprintf(text, sizeof(text), "%u", IN_ITS_BLOCK);
	assert_int_equal(mkdirat(dir_fd, text, 0700), 0);
	_cleanup_close_ int user = openat(dir_fd, text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(user >= 0);
	assert_int_equal(idmap_get(dir_fd, user, IN_ITS_BLOCK, "nobody has this name", &map, &note, &err), 0);
	assert_int_equal(map.uid_base, 2147483648u + IDMAP_COUNT);
	assert_int_equal(map.gid_base, map.uid_base);
	assert_int_equal(idmap_get(dir_fd, user, IN_ITS_BLOCK, "nobody has this name", &again, &note, &err),
			 0);
	assert_memory_equal(&map, &again, sizeof(map));
	/* One that was remembered all the same is not used. */
	assert_int_equal(fs_replace_at(user, "ids", "2147483648 2147483648\n", 22, 0600), 0);
	assert_int_equal(idmap_get(dir_fd, user, IN_ITS_BLOCK, "nobody has this name", &map, &note, &err),
			 -EEXIST);
	assert_string_equal(err.msg, "uid 2147488000 is in its own block of ids");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_states),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_home_of_owner),
		cmocka_unit_test(test_kept_aside),
		cmocka_unit_test(test_adopted),
		cmocka_unit_test(test_sweep_goes_on),
		cmocka_unit_test(test_snapshots),
		cmocka_unit_test(test_blocks_of_ids),
		cmocka_unit_test(test_no_block_has_its_own_login),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
