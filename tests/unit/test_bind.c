/* test_bind.c - core/bind.c: what a bind may be; core/idmap.c: its owners; core/fs_trusted.c: where its source is. As root. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/bind.h"
#include "core/fs.h"
#include "core/idmap.h"
#include "own_tmpfs.h"

static const struct user_facts ann = { .uid = 2000, .gid = 2000, .name = (char *)"ann" };

/* --- one bind --- */

static void check_entries(const char *entries, const char *message)
{
	char text[1024], expected[512] = "";

	snprintf(text, sizeof(text), "defaults = {\nbinds = %s;\n};", entries);
	if (message)
		snprintf(expected, sizeof(expected), "f:2: %s\n", message);
	assert_errors(text, expected);
}

static void check_path(const char *field, const char *path, const char *message)
{
	bool source = strcmp(field, "source") == 0;
	char entries[512], expected[600];

	snprintf(entries, sizeof(entries), "( { source = \"%s\"; target = \"%s\"; } )",
		 source ? path : "/srv/data", source ? "/data" : path);
	snprintf(expected, sizeof(expected), "'binds.%s' %s, not \"%.64s\"", field, message ? message : "",
		 path);
	check_entries(entries, message ? expected : NULL);
}

static void test_entries(void **state)
{
	check_entries("( )", NULL);
	check_entries("( { source = \"/a\"; target = \"/b\"; readonly = true; optional = true; } )", NULL);
	check_entries("\"/srv\"", "'binds' must be a list of groups: ( { ... }, { ... } )");
	check_entries("( { source = \"/a\"; } )", "each of 'binds' needs a 'source' and a 'target'");
	check_entries("( { target = \"/a\"; } )", "each of 'binds' needs a 'source' and a 'target'");
	check_entries("( { source = \"/a\"; target = \"/b\"; read_only = true; } )",
		      "unknown setting 'read_only' (did you mean 'readonly'?)");
	check_entries("( { source = \"/a\"; target = \"/b\"; readonly = \"true\"; } )",
		      "'binds.readonly' must be true or false, without quotes");
	check_entries("( { source = 5; target = \"/b\"; } )",
		      "'binds.source' is not a string: write it with quotes, for example \"/srv/data\"");
	check_entries("( { source = [ \"/a\" ]; target = \"/b\"; } )",
		      "'binds.source' must be a string, for example \"/srv/data\"");
}

static void test_paths(void **state)
{
	static const char *const good[] = { "/a", "/srv/homes/%u", "/srv/%u/x", "/a.b/..c/d..", "/a b" };
	static const struct {
		const char *path, *message;
	} bad[] = {
		{ "", "must be an absolute path" },
		{ "srv", "must be an absolute path" },
		{ "../srv", "must be an absolute path" },
		{ "/srv/../etc", "must not contain '.' or '..'" },
		{ "/srv/..", "must not contain '.' or '..'" },
		{ "/./srv", "must not contain '.' or '..'" },
		{ "/srv//x", "must not contain '//' or end with '/'" },
		{ "/srv/", "must not contain '//' or end with '/'" },
		{ "/srv/%h", "may have %u (the user) in it, and no other '%'" },
		{ "/srv/%", "may have %u (the user) in it, and no other '%'" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		check_path("source", good[i], NULL);
		check_path("target", good[i], NULL);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		check_path("source", bad[i].path, bad[i].message);
		check_path("target", bad[i].path, bad[i].message);
	}
	check_path("source", "/", "must not be '/'");
}

static void test_targets(void **state)
{
	static const char *const good[] = { "/tmp/x",	    "/procs",	"/sysroot",
					    "/development", "/running", "/home/x" };
	static const char *const bad[] = { "/proc",    "/proc/sys", "/sys/fs",	  "/dev",
					   "/dev/shm", "/run",	    "/run/carrel" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		check_path("target", good[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_path("target", bad[i], "must not be in /proc, /sys, /dev or /run");
	check_path("target", "/", "must not be '/' or '/tmp'");
	check_path("target", "/tmp", "must not be '/' or '/tmp'");
}

static void test_expand(void **state)
{
	char out[BIND_PATH_MAX + 1], longest[BIND_PATH_MAX + 1];
	struct user_facts odd = ann;

	assert_int_equal(bind_expand("/srv/%u/%u.d", &ann, out), 0);
	assert_string_equal(out, "/srv/ann/ann.d");
	memset(longest, 'x', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(bind_expand(longest, &ann, out), 0);
	assert_string_equal(out, longest);
	memcpy(longest + BIND_PATH_MAX - 2, "%u", 3);
	assert_int_equal(bind_expand(longest, &ann, out), -ENAMETOOLONG);
	/* Who names accounts like this means no good. */
	static const char *const names[] = { "..", ".", "", "a/b", "../etc" };
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		odd.name = (char *)names[i];
		assert_int_equal(bind_expand("/srv/%u", &odd, out), -EINVAL);
	}
}

/* --- all together --- */

static void check_policy(const char *settings, const char *message)
{
	char text[1024];
	struct carrel_error err = { 0 };
	struct policy policy;

	snprintf(text, sizeof(text), "covers = [ \"*\" ];\ndefaults = {\n%s };", settings);
	_cleanup_config_ struct config *config = parse_good(text);
	int r = policy_decide(config, &ann, &policy, &err);
	assert_string_equal(err.msg, message ? message : "");
	assert_int_equal(r, message ? -EINVAL : 0);
}

#define BIND(target) "{ source = \"/s\"; target = \"" target "\"; }"

static void test_contradictions(void **state)
{
	check_policy("binds = ( " BIND("/a") ", " BIND("/a/b") ", " BIND("/ab") ", " BIND("/root/x") " );",
		     NULL);
	check_policy("binds = ( " BIND("/a/b") ", " BIND("/a") " );",
		     "f:3: 'binds': the target '/a' would hide '/a/b': put it first");
	check_policy("binds = ( " BIND("/a/ann") ", " BIND("/a/%u") " );",
		     "f:3: 'binds': the target '/a/ann' is given twice");
	check_policy("binds = ( " BIND("/root") " );",
		     "f:3: 'binds': the target '/root' would hide the home");
	check_policy("binds = ( " BIND("/root/.ssh") " );", "f:3: 'binds': ~/.ssh is for 'share_ssh_dir'");
	check_policy("binds = ( " BIND("/home") " );", NULL);
	check_policy("login_as = \"user\";\nbinds = ( " BIND("/root") " );", NULL);
	check_policy("login_as = \"user\";\nbinds = ( " BIND("/home") " );",
		     "f:4: 'binds': the target '/home' would hide the home");
	check_policy("login_as = \"user\";\nbinds = ( " BIND("/home/%u") " );",
		     "f:4: 'binds': the target '/home/ann' would hide the home");
	check_policy("capabilities = [ \"sys_admin\" ];", NULL);
	check_policy("capabilities = [ \"sys_admin\" ];\nbinds = ( " BIND("/a") " );",
		     "f:3: sys_admin in 'capabilities' does not go with 'binds': what is mounted could be "
		     "changed from "
		     "inside");
	check_policy("home = \"host\";\ncapabilities = [ \"sys_admin\" ];",
		     "f:4: sys_admin in 'capabilities' does not go with 'home' = \"host\": what is mounted "
		     "could be "
		     "changed from inside");
}

static void test_list(void **state)
{
	_cleanup_config_ struct config *config = parse_good(
		"covers = [ \"*\" ]; defaults = { binds = ( { source = \"/x\"; target = \"/y\"; } ); };\n"
		"rules = ( { match = \"ann\"; binds = ( { source = \"/a\"; target = \"/b\"; readonly = true; "
		"},\n"
		"{ source = \"/c\"; target = \"/d\"; optional = true; } ); rootfs = \"ephemeral\"; home = "
		"\"host\"; } );");
	struct policy policy;

	assert_int_equal(policy_decide(config, &ann, &policy, NULL), 0);
	const struct bind_mount *bind = policy.binds;
	assert_string_equal(bind->source, "/a");
	assert_string_equal(bind->target, "/b");
	assert_true(bind->readonly && !bind->optional);
	bind = bind->next;
	assert_string_equal(bind->source, "/c");
	assert_true(!bind->readonly && bind->optional);
	assert_null(bind->next);
	assert_int_equal(policy.rootfs, ROOTFS_EPHEMERAL);
	assert_int_equal(policy.home, HOME_HOST);
}

/* --- owners --- */

static void test_map_lines(void **state)
{
	char out[IDMAP_LINES_MAX];

	assert_int_equal(idmap_host_lines(2000, 2147483648u, 0, out), 0);
	assert_string_equal(
		out, "2000 2147483648 1\n0 0 2000\n2001 2001 2147481647\n2147549184 2147549184 2147418111\n");
	/* A range of /etc/subuid below the user's own id. */
	assert_int_equal(idmap_host_lines(500000, 100000, 1000, out), 0);
	assert_string_equal(out,
			    "500000 101000 1\n0 0 100000\n165536 165536 334464\n500001 500001 4294467294\n");
	assert_int_equal(idmap_host_lines(0, 65536, 0, out), 0);
	assert_string_equal(out, "0 65536 1\n1 1 65535\n131072 131072 4294836223\n");
	assert_int_equal(idmap_host_lines(4294967294u, 4294900000u - 65536, 65535, out), 0);
	int userns = idmap_userns(out, out, NULL);
	assert_true(userns >= 0);
	close(userns);
}

/* --- sources --- */

static void check_trusted(const char *path, const char *expected)
{
	char real[FS_PATH_MAX];
	struct carrel_error err = { 0 };
	struct stat st, same;

	_cleanup_close_ int fd = fs_open_trusted(path, real, &err);
	assert_string_equal(err.msg, "");
	assert_true(fd >= 0);
	assert_string_equal(real, expected);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(stat(path, &same), 0);
	assert_true(st.st_dev == same.st_dev && st.st_ino == same.st_ino);
}

static void check_refused(const char *path, int code, const char *message)
{
	char real[FS_PATH_MAX];
	struct carrel_error err = { 0 };

	assert_int_equal(fs_open_trusted(path, real, &err), -code);
	assert_string_equal(err.msg, message);
}

static void test_trusted(void **state)
{
	assert_int_equal(mkdir("a", 0755), 0);
	assert_int_equal(mkdir("a/b", 0755), 0);
	assert_int_equal(mkdir("a/b/c", 0777), 0);
	assert_int_equal(chown("a/b/c", 1, 1), 0);
	assert_int_equal(symlink("b", "a/link"), 0);
	assert_int_equal(symlink("/tmp/a/link/./../link//c", "climb"), 0);
	assert_int_equal(symlink("../../../tmp/a", "a/b/up"), 0);
	assert_int_equal(symlink("loop", "loop"), 0);

	check_trusted("/", "/");
	check_trusted("/tmp/a/b/c", "/tmp/a/b/c");
	check_trusted("/tmp/a/link/c", "/tmp/a/b/c");
	check_trusted("/tmp/climb", "/tmp/a/b/c");
	check_trusted("/tmp/a/b/up/link", "/tmp/a/b");
	check_trusted("/../../tmp/./a/..//a", "/tmp/a");
	check_refused("/tmp/a/x", ENOENT, "cannot open '/tmp/a/x': No such file or directory");
	check_refused("tmp", EINVAL, "'tmp' cannot be used as a path");
	check_refused("/tmp/loop", ELOOP, "'/tmp/loop' has too many links");
	check_refused("/tmp/a/b/c/d", EPERM,
		      "'/tmp/a/b/c', which leads there, belongs to uid 1 and not to root");

	assert_int_equal(chmod("a/b", 0775), 0);
	check_refused("/tmp/climb", EPERM,
		      "'/tmp/a/b', which leads there, can be written by others than root (mode 0775)");
	assert_int_equal(chmod("a/b", 01777), 0);
	check_refused("/tmp/a/link/c", EPERM,
		      "'/tmp/a/b', which leads there, can be written by others than root (mode 1777)");
	assert_int_equal(chmod("a/b", 0755), 0);
	assert_int_equal(lchown("a/link", 1, 1), 0);
	check_refused("/tmp/a/link/c", EPERM,
		      "'/tmp/a/link', which leads there, belongs to uid 1 and not to root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entries),	  cmocka_unit_test(test_paths),
		cmocka_unit_test(test_targets),	  cmocka_unit_test(test_expand),
		cmocka_unit_test(test_list),	  cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_map_lines), cmocka_unit_test_setup(test_trusted, own_tmp),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
