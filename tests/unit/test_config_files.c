/* test_config_files.c - which files are read, in which order, and which are refused. Needs root: they are root's. */
#include "parse.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Each test has a directory of its own, and is in it: names below are relative to it. */
struct fixture {
	char dir[64];
	char conf[PATH_MAX]; /* its carrel.conf */
	int repo;	     /* where the tests were started */
};

static struct fixture fixture;

static int set_up(void **state)
{
	snprintf(fixture.dir, sizeof(fixture.dir), "/tmp/carrel-test-XXXXXX");
	umask(022);
	fixture.repo = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fixture.repo < 0 || !mkdtemp(fixture.dir) || chdir(fixture.dir) < 0)
		return -1;
	snprintf(fixture.conf, sizeof(fixture.conf), "%s/carrel.conf", fixture.dir);
	return mkdir("conf.d", 0755);
}

static int tear_down(void **state)
{
	char command[128];
	int r = fchdir(fixture.repo);

	close(fixture.repo);
	snprintf(command, sizeof(command), "rm -rf %s", fixture.dir);
	return system(command) || r; /* NOLINT(cert-env33-c): the name is our own */
}

static void write_file(const char *path, const char *text)
{
	_cleanup_file_ FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
}

/* Load carrel.conf; `expected`: every message, in which %s is the directory. */
static struct config *load(int result, const char *expected)
{
	struct config *config = NULL;
	struct errors errors = { 0 };
	char text[4096] = "";

	int r = config_load(fixture.conf, &config, keep_error, &errors, &errors.first);
	for (const char *p = expected; *p; p++) {
		size_t used = strlen(text);

		if (p[0] == '%' && p[1] == 's') {
			snprintf(text + used, sizeof(text) - used, "%s", fixture.dir);
			p++;
		} else {
			snprintf(text + used, sizeof(text) - used, "%c", *p);
		}
	}
	assert_string_equal(errors.text, text);
	assert_int_equal(r, result);
	assert_int_equal(config != NULL, r == 0);
	if (r) {
		assert_int_equal(errors.first.code, -r);
		assert_memory_equal(errors.first.msg, errors.text, strlen(errors.first.msg));
	}
	return config;
}

static void load_bad(int result, const char *expected)
{
	assert_null(load(result, expected));
}

static void test_missing(void **state)
{
	struct config *config;
	struct carrel_error err;

	load_bad(-ENOENT, "cannot open '%s/carrel.conf': No such file or directory\n");
	assert_int_equal(config_load("/nowhere/at/all.conf", &config, NULL, NULL, &err), -ENOENT);
	assert_string_equal(err.msg, "cannot open '/nowhere/at': No such file or directory");
	assert_int_equal(config_load(fixture.dir, &config, NULL, NULL, &err),
			 -EPERM); /* /tmp is everybody's */
	assert_int_equal(config_load("/etc/", &config, NULL, NULL, &err), -EINVAL);
	assert_string_equal(err.msg, "'/etc/' is not the path of a file");
	assert_int_equal(config_load("", &config, NULL, NULL, &err), -EINVAL);
	assert_int_equal(config_load("/nowhere/x", &config, NULL, NULL, NULL), -ENOENT);
}

static void test_main_alone(void **state)
{
	write_file("carrel.conf", "covers = [ \"ann\" ];\n");
	_cleanup_config_ struct config *config = load(0, "");
	assert_int_equal(config->covers.count, 1);
	assert_int_equal(config->covers.items[0].origin.line, 1);
	assert_string_equal(config->covers.items[0].origin.file, fixture.conf);

	/* without conf.d, and by a name without a directory */
	assert_int_equal(rmdir("conf.d"), 0);
	config_free(load(0, ""));
	struct config *relative;
	assert_int_equal(config_load("carrel.conf", &relative, NULL, NULL, NULL), 0);
	assert_string_equal(relative->covers.items[0].origin.file, "carrel.conf");
	config_free(relative);
}

static void test_drop_ins(void **state)
{
	char expected[PATH_MAX];

	write_file("carrel.conf", "mode = \"off\"; covers = [ \"main\" ]; defaults = { image = \"main\"; };\n"
				  "rules = ( { match = \"*\"; image = \"main\"; } );\n");
	write_file("conf.d/b.conf", "covers = [ \"b\" ];\nrules = ( { match = \"b\"; } );\n");
	write_file("conf.d/10-a.conf",
		   "mode = \"shadow\"; covers = [ \"ten\" ]; rules = ( { match = \"ten\"; } );\n");
	write_file("conf.d/B.conf", "covers = [ \"B\" ];\nrules = ( { match = \"B\"; } );\n");
	/* not read: any other ending, an editor's files, the suffix alone */
	write_file("conf.d/a.conf.bak", "broken");
	write_file("conf.d/a.conf~", "broken");
	write_file("conf.d/README", "broken");
	write_file("conf.d/.conf", "broken");
	assert_int_equal(symlink("ann@host.1234", "conf.d/.#b.conf"), 0);

	_cleanup_config_ struct config *config = load(0, "");
	static const char *const order[] = { "main", "ten", "B", "b" };
	assert_int_equal(config->covers.count, ARRAY_SIZE(order));
	assert_int_equal(config->rule_count, ARRAY_SIZE(order));
	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		assert_string_equal(config->covers.items[i].text, order[i]);
	for (size_t i = 1; i < ARRAY_SIZE(order); i++)
		assert_string_equal(config->rules[i].match.items[0].text, order[i]);
	snprintf(expected, sizeof(expected), "%s/conf.d/b.conf", fixture.dir);
	assert_string_equal(config->rules[3].match.items[0].origin.file, expected);
	assert_int_equal(config->rules[3].match.items[0].origin.line, 2);
}

static void test_every_file_is_reported(void **state)
{
	write_file("carrel.conf", "\ncover = [ ];\n");
	write_file("conf.d/a.conf", "mode = \"of\";\n");
	write_file("conf.d/b.conf", "mode = \"off\"");
	write_file("conf.d/c.conf", "mode = ;");
	load_bad(-EINVAL,
		 "%s/carrel.conf:2: unknown setting 'cover' (did you mean 'covers'?)\n"
		 "%s/conf.d/a.conf:1: 'mode' must be \"enforce\" or \"shadow\" or \"off\", not \"of\"\n"
		 "%s/conf.d/c.conf:1: syntax error\n");
}

static void test_owner_and_mode(void **state)
{
	write_file("carrel.conf", "");
	write_file("conf.d/a.conf", "");
	config_free(load(0, ""));

	assert_int_equal(chmod("carrel.conf", 0664), 0);
	load_bad(-EPERM, "'%s/carrel.conf' must not be writable by group or others (mode 0664)\n");
	assert_int_equal(chmod("carrel.conf", 0602), 0);
	load_bad(-EPERM, "'%s/carrel.conf' must not be writable by group or others (mode 0602)\n");
	assert_int_equal(chmod("carrel.conf", 0400), 0);
	config_free(load(0, ""));
	assert_int_equal(chown("carrel.conf", 2000, 0), 0);
	load_bad(-EPERM, "'%s/carrel.conf' must be owned by root (its owner is uid 2000)\n");
	assert_int_equal(chown("carrel.conf", 0, 2000), 0);
	config_free(load(0, ""));

	assert_int_equal(chmod("conf.d/a.conf", 0622), 0);
	load_bad(-EPERM, "'%s/conf.d/a.conf' must not be writable by group or others (mode 0622)\n");
	assert_int_equal(chmod("conf.d/a.conf", 0644), 0);
	assert_int_equal(chown("conf.d/a.conf", 2000, 0), 0);
	load_bad(-EPERM, "'%s/conf.d/a.conf' must be owned by root (its owner is uid 2000)\n");
}

static void test_directories(void **state)
{
	write_file("carrel.conf", "");
	assert_int_equal(chmod("conf.d", 0775), 0);
	load_bad(-EPERM, "'%s/conf.d' must not be writable by group or others (mode 0775)\n");
	assert_int_equal(chmod("conf.d", 0755), 0);
	assert_int_equal(chown("conf.d", 2000, 0), 0);
	load_bad(-EPERM, "'%s/conf.d' must be owned by root (its owner is uid 2000)\n");

	assert_int_equal(rename("conf.d", "elsewhere"), 0);
	assert_int_equal(symlink("elsewhere", "conf.d"), 0);
	load_bad(-ENOTDIR, "'%s/conf.d' must be a directory, and no symbolic link\n");
	assert_int_equal(unlink("conf.d"), 0);
	write_file("conf.d", "");
	load_bad(-ENOTDIR, "'%s/conf.d' must be a directory, and no symbolic link\n");
	assert_int_equal(unlink("conf.d"), 0);

	assert_int_equal(chmod(".", 01777), 0);
	load_bad(-EPERM, "'%s' must not be writable by group or others (mode 1777)\n");
	assert_int_equal(chmod(".", 0700), 0);
	assert_int_equal(chown(".", 2000, 2000), 0);
	load_bad(-EPERM, "'%s' must be owned by root (its owner is uid 2000)\n");
}

static void test_kinds_of_file(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "carrel.conf" };

	write_file("real", "");
	assert_int_equal(symlink("real", "carrel.conf"), 0);
	load_bad(-ELOOP, "'%s/carrel.conf' must not be a symbolic link\n");
	assert_int_equal(unlink("carrel.conf"), 0);

	assert_int_equal(mkfifo("carrel.conf", 0600), 0);
	load_bad(-EINVAL, "'%s/carrel.conf' must be a regular file\n");
	assert_int_equal(unlink("carrel.conf"), 0);

	assert_int_equal(mkdir("carrel.conf", 0755), 0);
	load_bad(-EINVAL, "'%s/carrel.conf' must be a regular file\n");
	assert_int_equal(rmdir("carrel.conf"), 0);

	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	load_bad(-ENXIO, "'%s/carrel.conf' must be a regular file\n");
	assert_int_equal(unlink("carrel.conf"), 0);

	write_file("carrel.conf", "");
	assert_int_equal(symlink("../real", "conf.d/a.conf"), 0);
	assert_int_equal(mkdir("conf.d/b.conf", 0755), 0);
	assert_int_equal(mkfifo("conf.d/c.conf", 0600), 0);
	load_bad(-ELOOP, "'%s/conf.d/a.conf' must not be a symbolic link\n"
			 "'%s/conf.d/b.conf' must be a regular file\n"
			 "'%s/conf.d/c.conf' must be a regular file\n");
}

static void test_size(void **state)
{
	static char text[CONFIG_FILE_MAX + 2];

	memset(text, '\n', CONFIG_FILE_MAX + 1);
	text[CONFIG_FILE_MAX + 1] = '\0';
	write_file("carrel.conf", text);
	load_bad(-EFBIG, "'%s/carrel.conf' is larger than 1 MiB\n");
	text[CONFIG_FILE_MAX] = '\0';
	memcpy(text + CONFIG_FILE_MAX - 4, "x=1;", 4);
	write_file("carrel.conf", text);
	load_bad(-EINVAL, "%s/carrel.conf:1048573: unknown setting 'x'\n");
}

/* --- the files we ship --- */

/* A file of the repository, as it is or with the lines that are settings in a comment (//name = …) made settings. */
static void copy_shipped(const char *path, bool uncomment)
{
	_cleanup_close_ int fd = openat(fixture.repo, path, O_RDONLY | O_CLOEXEC);
	char text[32768];

	assert_true(fd >= 0);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	assert_in_range(n, 1, sizeof(text) - 2);
	text[n] = '\0';
	for (char *p = text; uncomment && (p = strstr(p, "//")); p += 2) {
		if (p == text || p[-1] == '\n' || p[-1] == '\t')
			memcpy(p, "  ", 2);
	}
	write_file("carrel.conf", text);
}

static void test_shipped_policy(void **state)
{
	struct user_facts user = { .uid = 2000, .gid = 2000, .name = (char *)"ann", .host = (char *)"box" };
	struct policy shipped, built_in;
	struct carrel_error err;
	_cleanup_config_ struct config *bare = config_new(&err);

	copy_shipped("config/carrel.conf", false);
	_cleanup_config_ struct config *plain = load(0, "");
	assert_int_equal(plain->covers.count, 1);
	assert_string_equal(plain->covers.items[0].text, "@carrel");
	assert_int_equal(plain->exempt.count, 2);
	assert_int_equal(plain->rule_count, 0);
	assert_int_equal(plain->defaults.count, config_keys_count); /* it sets nothing */

	/* Its comments have every key, each with its built-in default. */
	copy_shipped("config/carrel.conf", true);
	_cleanup_config_ struct config *full = load(0, "");
	assert_int_equal(policy_decide(full, &user, &shipped, &err), 0);
	assert_int_equal(policy_decide(bare, &user, &built_in, &err), 0);
	for (size_t i = 0; i < config_keys_count; i++) {
		char label[CONFIG_LABEL_MAX];

		if (config_keys[i].type != KEY_PATTERNS && !config_keys[i].rules_only &&
		    !shipped.origin[i].file)
			fail_msg("config/carrel.conf does not have %s",
				 config_key_label(&config_keys[i], label));
	}
	assert_null(shipped.env[0]);
	assert_null(built_in.env[0]);
	assert_string_equal(shipped.image, built_in.image);
	assert_string_equal(shipped.shell, built_in.shell);
	assert_string_equal(shipped.why, built_in.why[0] ? "matches nothing in covers" : "");
	shipped.env = built_in.env;
	assert_null(shipped.self_service[0]);
	shipped.self_service = built_in.self_service;
	assert_null(shipped.optional[0]);
	shipped.optional = built_in.optional;
	shipped.image = built_in.image;
	shipped.shell = built_in.shell;
	memcpy(shipped.why, built_in.why, sizeof(shipped.why));
	assert_memory_equal(&shipped, &built_in, offsetof(struct policy, origin));
}

static void test_shipped_examples(void **state)
{
	static const char *const names[] = { "course", "pubnix", "build-jobs" };
	char path[64];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(path, sizeof(path), "config/examples/%s.conf", names[i]);
		copy_shipped(path, false);
		_cleanup_config_ struct config *config = load(0, "");
		assert_true(config->covers.count > 0);
	}
}

#define IN_DIR(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_DIR(test_missing),	     IN_DIR(test_main_alone),
		IN_DIR(test_drop_ins),	     IN_DIR(test_every_file_is_reported),
		IN_DIR(test_owner_and_mode), IN_DIR(test_directories),
		IN_DIR(test_kinds_of_file),  IN_DIR(test_size),
		IN_DIR(test_shipped_policy), IN_DIR(test_shipped_examples),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
