/* test_subid.c - core/subid.c: what /etc/subuid gives to others; core/idmap.c: which blocks it leaves. As root. */
#include <errno.h>
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

#include "core/idmap.h"
#include "core/subid.h"
#include "own_tmpfs.h"

static size_t parse(const char *lines, struct subid_list *list)
{
	_cleanup_free_ char *text = strdup(lines);

	*list = (struct subid_list){ 0 };
	assert_int_equal(subid_parse_others(text, 1001, "ann", list), 0);
	return list->count;
}

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		uint64_t first, end; /* both 0: nobody's */
	} cases[] = {
		{ "bob:100000:65536", 100000, 165536 },
		{ "1002:100000:1", 100000, 100001 },
		{ "10012:100000:1", 100000, 100001 },
		{ "anna:0:1", 0, 1 },
		{ "bob:4294967295:4294967296", 4294967295, 8589934591 },
		{ "bob:100000:99999999999999999999999999", 100000, 100000 + SUBID_IDS },
		{ "bob:99999999999999999999999999:5", SUBID_IDS, SUBID_IDS + 5 },
		{ "DOMAIN\\first last:7:1", 7, 8 },
		/* Of the user. */
		{ "ann:100000:65536", 0, 0 },
		{ "1001:100000:65536", 0, 0 },
		/* Of nobody. */
		{ "", 0, 0 },
		{ "# bob:1:1", 1, 2 }, /* as newuidmap takes it: there are no comments */
		{ "bob", 0, 0 },
		{ "bob:100000", 0, 0 },
		{ "bob:100000:", 0, 0 },
		{ "bob::65536", 0, 0 },
		{ ":100000:65536", 0, 0 },
		{ "bob:100000:0", 0, 0 },
		{ "bob:-1:5", 0, 0 },
		{ "bob:+1:5", 0, 0 },
		{ "bob: 1:5", 0, 0 },
		{ "bob:0x10:5", 0, 0 },
		{ "bob:1:5 ", 0, 0 },
		{ "bob:1:5:6", 0, 0 },
	};
	struct subid_list list;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		size_t n = parse(cases[i].line, &list);
		if (n != (cases[i].end > 0) ||
		    (n && (list.ranges[0].first != cases[i].first || list.ranges[0].end != cases[i].end)))
			fail_msg("'%s'", cases[i].line);
		free(list.ranges);
	}
}

static void test_files(void **state)
{
	struct subid_list list = { 0 };
	struct carrel_error err = { 0 };

	assert_int_equal(subid_read_others("/tmp/none", 1001, "ann", &list, &err), 0);
	assert_int_equal(list.count, 0);
	put("/tmp/subuid", "bob:1:1\nann:2:1\nbroken\n\ncid:3:1"); /* the last line without an end */
	assert_int_equal(subid_read_others("/tmp/subuid", 1001, "ann", &list, &err), 0);
	assert_int_equal(list.count, 2);
	assert_string_equal(list.ranges[0].owner, "bob");
	assert_string_equal(list.ranges[1].owner, "cid");
	free(list.ranges);
	assert_int_equal(truncate("/tmp/subuid", SUBID_FILE_MAX + 1), 0);
	assert_int_equal(subid_read_others("/tmp/subuid", 1001, "ann", &list, &err), -EFBIG);
	assert_int_equal(mkfifo("/tmp/fifo", 0600), 0);
	assert_int_equal(subid_read_others("/tmp/fifo", 1001, "ann", &list, &err), -EINVAL);
}

static void test_edges(void **state)
{
	struct subid_list list;

	assert_int_equal(parse("bob:200000:10\n\033[2J:4294967295:1\n", &list), 2);
	assert_null(subid_find(&list, 200000 - IDMAP_COUNT));
	assert_non_null(subid_find(&list, 200001 - IDMAP_COUNT));
	assert_non_null(subid_find(&list, 200000));
	assert_non_null(subid_find(&list, 200009));
	assert_null(subid_find(&list, 200010));
	assert_string_equal(subid_find(&list, 4294901760u)->owner, "\\x1b[2J");
	assert_null(subid_find(&list, 4294901759u));
	free(list.ranges);
}

static int get_block(uid_t uid, struct idmap *map, struct carrel_error *err)
{
	struct carrel_error note = { 0 };
	char name[16];

	snprintf(name, sizeof(name), "%u", uid);
	assert_int_equal(mkdirat(top, name, 0700), 0);
	_cleanup_close_ int user = openat(top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return idmap_get(top, user, uid, "nobody has this name", map, &note, err);
}

static void bind_over(const char *file, const char *text)
{
	char copy[32];

	snprintf(copy, sizeof(copy), "/tmp/%s", strrchr(file, '/') + 1);
	put(copy, text);
	assert_int_equal(mount(copy, file, NULL, MS_BIND, NULL), 0);
}

/* No block is made up of what is somebody else's. Over the files of the host, in the test's own mount namespace. */
static void test_made_up_blocks(void **state)
{
	/* The first that is tried for these uids, and what follows. */
	const uint32_t first = 2147483648u;
	struct idmap map;
	struct carrel_error err = { 0 };

	bind_over(SUBID_UIDS, "bob:2147483648:1\nnobody has this name:2147549184:65536\n");
	bind_over(SUBID_GIDS, "cid:2147680255:1\n");
	assert_int_equal(get_block(32000 * 50, &map, &err),
			 0); /* one that is bob's, one that is the user's own */
	assert_int_equal(map.uid_base, first + IDMAP_COUNT);
	assert_int_equal(get_block(32000 * 50 + 2, &map, &err), 0); /* the last gid of it is cid's */
	assert_int_equal(map.uid_base, first + 3 * IDMAP_COUNT);
	put("/tmp/subuid", "containers:2147483647:2147483648\n");
	assert_int_equal(get_block(4242, &map, &err), 0);
	assert_in_range(map.uid_base, 1879048192, 2147483647 - IDMAP_COUNT);
	put("/tmp/subuid", "containers:1879048192:2415919103\n");
	assert_int_equal(get_block(4243, &map, &err), -ENOSPC);
	assert_non_null(strstr(err.msg, "it overlaps with the range of 'containers' in /etc/subuid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_made_up_blocks),
	};

	return cmocka_run_group_tests(tests, own_tmp, NULL);
}
