/* test_policy.c - core/policy.c: who is covered and why, which value wins, and where it came from. */
#include "parse.h"

#include <errno.h>
#include <sys/capability.h>

static char *const students[] = { (char *)"ann", (char *)"students", (char *)"users", NULL };

static const struct user_facts ann = {
	.uid = 2000,
	.gid = 2000,
	.name = (char *)"ann",
	.home = (char *)"/home/ann",
	.shell = (char *)"/usr/bin/carrel-shell",
	.host = (char *)"box",
	.groups = (char **)students,
};

static size_t key_index(const char *label)
{
	char buf[CONFIG_LABEL_MAX];

	for (size_t i = 0; i < config_keys_count; i++) {
		if (strcmp(config_key_label(&config_keys[i], buf), label) == 0)
			return i;
	}
	fail_msg("no key %s", label);
	return 0;
}

static void assert_origin(const struct policy *policy, const char *label, unsigned line)
{
	const struct origin *origin = &policy->origin[key_index(label)];

	if (!line) {
		assert_null(origin->file);
	} else {
		assert_string_equal(origin->file, "f");
	}
	assert_int_equal(origin->line, line);
}

/* --- who is covered --- */

static void check_covered(const char *text, const struct user_facts *user, bool covered, const char *why)
{
	_cleanup_config_ struct config *config = parse_good(text);
	struct policy policy;
	struct carrel_error err;

	assert_int_equal(policy_decide(config, user, &policy, &err), 0);
	assert_string_equal(policy.why, why);
	assert_int_equal(policy.covered, covered);
}

static void test_covers(void **state)
{
	check_covered("", &ann, false, "covers names nobody");
	check_covered("covers = [ ];", &ann, false, "covers names nobody");
	check_covered("exempt = [ \"*\" ];", &ann, false, "matches exempt '*' (f:1)");
	check_covered("covers = [ \"bob\" ];", &ann, false, "matches nothing in covers");
	check_covered("covers = [ \"bob\",\n\"ann\" ];", &ann, true, "matches covers 'ann' (f:2)");
	check_covered("\n\ncovers = ( \"@students\" );", &ann, true, "matches covers '@students' (f:3)");
	check_covered("covers = [ \"*\" ];", &ann, true, "matches covers '*' (f:1)");
	check_covered("covers = [ \"uid:2000\" ];", &ann, true, "matches covers 'uid:2000' (f:1)");
	check_covered("covers = [ \"uid:1999-2000\" ];", &ann, true, "matches covers 'uid:1999-2000' (f:1)");
	check_covered("covers = [ \"uid:2000-2999\" ];", &ann, true, "matches covers 'uid:2000-2999' (f:1)");
	check_covered("covers = [ \"uid:2001-2999\", \"uid:1-1999\" ];", &ann, false,
		      "matches nothing in covers");
	/* a group's name is no user's, and the other way round; prefixes do not count */
	check_covered("covers = [ \"students\", \"@an\", \"@student\", \"an\", \"annie\" ];", &ann, false,
		      "matches nothing in covers");
	check_covered("covers = [ \"@ann\" ];", &ann, true, "matches covers '@ann' (f:1)");
}

static void test_exempt_wins(void **state)
{
	check_covered("covers = [ \"ann\" ]; exempt = [ \"@users\" ];", &ann, false,
		      "matches exempt '@users' (f:1)");
	check_covered("exempt = [ \"uid:2000-2001\" ];\ncovers = [ \"*\" ];", &ann, false,
		      "matches exempt 'uid:2000-2001' (f:1)");
	check_covered("covers = [ \"ann\" ]; exempt = [ \"bob\", \"@wheel\" ];", &ann, true,
		      "matches covers 'ann' (f:1)");
}

static void test_root_never(void **state)
{
	struct user_facts root = ann;

	root.uid = 0;
	root.name = (char *)"root";
	check_covered("covers = [ \"*\" ];", &root, false, "uid 0 is never covered");
	check_covered("covers = [ \"root\", \"uid:0\" ];", &root, false, "uid 0 is never covered");
	/* by uid, not by name */
	root.name = (char *)"toor";
	check_covered("covers = [ \"toor\" ];", &root, false, "uid 0 is never covered");
	root.uid = 1;
	root.name = (char *)"root";
	check_covered("covers = [ \"root\" ];", &root, true, "matches covers 'root' (f:1)");
}

static void test_no_groups(void **state)
{
	struct user_facts lonely = ann;
	char *none[] = { NULL };

	lonely.groups = none;
	check_covered("covers = [ \"@students\" ];", &lonely, false, "matches nothing in covers");
	lonely.groups = NULL;
	check_covered("covers = [ \"@students\" ];", &lonely, false, "matches nothing in covers");
}

static void test_origin_of_decision(void **state)
{
	_cleanup_config_ struct config *config = parse_good(
		"covers = [\n\"@students\" ];\nexempt = [ \"bob\" ];");
	struct policy policy;

	assert_int_equal(policy_decide(config, &ann, &policy, NULL), 0);
	assert_origin(&policy, "covers", 2);
	assert_origin(&policy, "exempt", 0);
}

static void test_long_pattern(void **state)
{
	char text[512], name[256];
	struct user_facts user = ann;
	struct policy policy;

	memset(name, 'a', 255);
	name[255] = '\0';
	user.name = name;
	snprintf(text, sizeof(text), "covers = [ \"%s\" ];", name);
	_cleanup_config_ struct config *config = parse_good(text);
	assert_int_equal(policy_decide(config, &user, &policy, NULL), 0);
	assert_true(policy.covered);
	assert_memory_equal(policy.why + strlen(policy.why) - 5, "(f:1)", 5);
	assert_int_equal(strlen(policy.hostname), 64);
}

/* --- values --- */

static void test_built_in(void **state)
{
	_cleanup_config_ struct config *config = parse_good("");
	struct policy p;

	assert_int_equal(policy_decide(config, &ann, &p, NULL), 0);
	assert_int_equal(p.mode, MODE_ENFORCE);
	assert_string_equal(p.image, "alpine");
	assert_int_equal(p.rootfs, ROOTFS_PERSISTENT);
	assert_int_equal(p.login_as, LOGIN_ROOT);
	assert_string_equal(p.shell, "/bin/sh");
	assert_int_equal(p.home, HOME_PRIVATE);
	assert_true(p.share_ssh_dir);
	assert_string_equal(p.hostname, "ann");
	assert_false(p.forced_command_ok);
	assert_int_equal(p.network, NETWORK_NONE);
	assert_int_equal(p.forwarding, FORWARDING_SANDBOX);
	assert_false(p.no_new_privs);
	assert_int_equal(p.seccomp, SECCOMP_DEFAULT);
	assert_null(p.env[0]);
	assert_null(p.self_service[0]);
	assert_int_equal(p.limits.memory, 512ull << 20);
	assert_int_equal(p.limits.swap, 0);
	assert_int_equal(p.limits.cpus, 1000);
	assert_int_equal(p.limits.cpu_weight, 100);
	assert_int_equal(p.limits.pids, 256);
	assert_int_equal(p.limits.tmp, 64ull << 20);
	assert_int_equal(p.limits.tmp_inodes, 65536);
	assert_int_equal(p.limits.open_files, 8192);
	assert_int_equal(p.session.max, 8);
	assert_true(p.session.idle == UNIT_NONE);
	assert_true(p.session.lifetime == UNIT_NONE);
	assert_int_equal(p.session.warn, 60000);
	for (size_t i = 0; i < config_keys_count; i++)
		assert_null(p.origin[i].file);
	static const int caps[] = { CAP_CHOWN,	 CAP_DAC_OVERRIDE,     CAP_FOWNER,     CAP_FSETID,
				    CAP_KILL,	 CAP_SETGID,	       CAP_SETUID,     CAP_SETPCAP,
				    CAP_SETFCAP, CAP_NET_BIND_SERVICE, CAP_SYS_CHROOT, CAP_AUDIT_WRITE };
	uint64_t expected = 0;
	for (size_t i = 0; i < ARRAY_SIZE(caps); i++)
		expected |= 1ull << caps[i];
	assert_int_equal(p.capabilities, expected);
}

static void test_every_value_is_stored(void **state)
{
	_cleanup_config_ struct config *config = parse_good(
		"mode = \"shadow\";\n"
		"defaults = { image = \"deb\"; login_as = \"user\"; shell = \"/bin/bash\"; share_ssh_dir = "
		"false;\n"
		"hostname = \"h\"; forced_command_ok = true; forwarding = \"host\"; no_new_privs = true;\n"
		"seccomp = \"off\"; capabilities = [ \"CAP_CHOWN\", \"checkpoint_restore\" ]; env = [ \"A\", "
		"\"B_*\" ];\n"
		"limits = { memory = \"max\"; swap = \"off\"; cpus = \"2.5\"; cpu_weight = \"7\"; pids = "
		"\"1k\";\n"
		"tmp = \"1M\"; tmp_inodes = \"100\"; open_files = \"64\"; };\n"
		"session = { max = \"3\"; }; };");
	struct policy p;

	assert_int_equal(policy_decide(config, &ann, &p, NULL), 0);
	assert_int_equal(p.mode, MODE_SHADOW);
	assert_string_equal(p.image, "deb");
	assert_int_equal(p.login_as, LOGIN_USER);
	assert_string_equal(p.shell, "/bin/bash");
	assert_false(p.share_ssh_dir);
	assert_string_equal(p.hostname, "h");
	assert_true(p.forced_command_ok);
	assert_int_equal(p.forwarding, FORWARDING_HOST);
	assert_true(p.no_new_privs);
	assert_int_equal(p.seccomp, SECCOMP_OFF);
	assert_int_equal(p.capabilities, 1ull << CAP_CHOWN | 1ull << CAP_CHECKPOINT_RESTORE);
	assert_string_equal(p.env[0], "A");
	assert_string_equal(p.env[1], "B_*");
	assert_null(p.env[2]);
	assert_true(p.limits.memory == UNIT_NONE);
	assert_true(p.limits.swap == UNIT_NONE);
	assert_int_equal(p.limits.cpus, 2500);
	assert_int_equal(p.limits.cpu_weight, 7);
	assert_int_equal(p.limits.pids, 1024);
	assert_int_equal(p.limits.tmp, 1 << 20);
	assert_int_equal(p.limits.tmp_inodes, 100);
	assert_int_equal(p.limits.open_files, 64);
	assert_int_equal(p.session.max, 3);
	assert_origin(&p, "mode", 1);
	assert_origin(&p, "image", 2);
	assert_origin(&p, "capabilities", 4);
	assert_origin(&p, "limits.memory", 5);
	assert_origin(&p, "limits.tmp", 6);
	assert_origin(&p, "session.max", 7);
	assert_origin(&p, "session.idle", 0);
}

static void test_rules_in_order(void **state)
{
	_cleanup_config_ struct config *config = parse_good(
		"defaults = { limits = { memory = \"64M\"; pids = \"10\"; };\n"
		"  env = [ \"A\" ]; };\n"
		"rules = (\n"
		"  { match = \"@students\"; limits = { memory = \"128M\"; cpus = \"2\"; }; },\n"
		"  { match = \"bob\"; limits = { memory = \"1G\"; cpus = \"9\"; }; },\n"
		"  { match = [ \"bob\", \"uid:2000\" ]; limits = { memory = \"256M\"; };\n"
		"    env = [ \"B\" ]; },\n"
		"  { match = \"*\"; session = { max = \"2\"; }; } );\n");
	struct user_facts carl = { .uid = 3000, .name = (char *)"carl" };
	struct policy p;

	assert_int_equal(policy_decide(config, &ann, &p, NULL), 0);
	assert_int_equal(p.limits.memory, 256ull << 20);
	assert_origin(&p, "limits.memory", 6);
	assert_int_equal(p.limits.cpus, 2000);
	assert_origin(&p, "limits.cpus", 4);
	assert_int_equal(p.limits.pids, 10);
	assert_origin(&p, "limits.pids", 1);
	assert_origin(&p, "limits.swap", 0);
	assert_string_equal(p.env[0], "B"); /* a list replaces the whole list */
	assert_null(p.env[1]);
	assert_int_equal(p.session.max, 2);
	assert_origin(&p, "session.max", 8);

	assert_int_equal(policy_decide(config, &carl, &p, NULL), 0);
	assert_int_equal(p.limits.memory, 64ull << 20);
	assert_int_equal(p.limits.cpus, 1000);
	assert_string_equal(p.env[0], "A");
	assert_int_equal(p.session.max, 2);
}

/* Two files: what the later one says of a key replaces, its rules come last, patterns add up. */
static void test_two_files(void **state)
{
	static const char one[] =
		"mode = \"off\"; covers = [ \"bob\" ]; defaults = { image = \"one\"; shell = \"/one\"; };"
		"rules = ( { match = \"ann\"; limits = { pids = \"11\"; }; hostname = \"one\"; } );";
	static const char two[] =
		"mode = \"shadow\"; covers = [ \"ann\" ]; defaults = { image = \"two\"; };\n"
		"rules = ( { match = \"ann\"; limits = { pids = \"22\"; }; } );";
	struct carrel_error err;
	_cleanup_config_ struct config *config = config_new(&err);
	struct config_reader reader = { .config = config, .err = &err };
	struct policy p;

	config_parse_text(&reader, "one", one, strlen(one));
	config_parse_text(&reader, "two", two, strlen(two));
	assert_int_equal(reader.result, 0);
	assert_int_equal(policy_decide(config, &ann, &p, &err), 0);
	assert_true(p.covered);
	assert_string_equal(p.why, "matches covers 'ann' (two:1)");
	assert_int_equal(p.mode, MODE_SHADOW);
	assert_string_equal(p.image, "two");
	assert_string_equal(p.shell, "/one");
	assert_string_equal(p.hostname, "one");
	assert_int_equal(p.limits.pids, 22);
	assert_string_equal(p.origin[key_index("limits.pids")].file, "two");
	assert_string_equal(p.origin[key_index("hostname")].file, "one");
	assert_int_equal(p.origin[key_index("limits.pids")].line, 2);
}

static void test_hostname(void **state)
{
	static const struct {
		const char *template, *user, *host, *expected;
	} cases[] = {
		{ "%u", "ann", "box", "ann" },
		{ "%u-%h", "ann", "box", "ann-box" },
		{ "%u.%h.example", "ann", "box", "ann.box.example" },
		{ "%u%u", "ann", "box", "annann" },
		{ "pod", "ann", "box", "pod" },
		{ "%h", "ann", NULL, "sandbox" },
		{ "%u-%h", "ann", NULL, "ann" },
		{ "%u", "a_b@c d", "box", "a-b-c-d" },
		{ "%u", "_apt", "box", "apt" },
		{ "%u", "svc$", "box", "svc" },
		{ "%u", "\xc3\xa9", "box", "sandbox" },
		{ "-%u-", "ann", "box", "ann" },
		{ "%u", "%h", "box", "h" }, /* what was put in is not expanded again */
		{ "a23456789.123456789.123456789.123456789.123456789.123456789.1234567", "ann", "box",
		  "a23456789.123456789.123456789.123456789.123456789.123456789.1234" },
		{ "a23456789.123456789.123456789.123456789.123456789.123456789.123---x", "ann", "box",
		  "a23456789.123456789.123456789.123456789.123456789.123456789.123" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct user_facts user = { .uid = 1,
					   .name = (char *)cases[i].user,
					   .host = (char *)cases[i].host };
		char text[256];
		struct policy p;

		snprintf(text, sizeof(text), "defaults = { hostname = \"%s\"; };", cases[i].template);
		_cleanup_config_ struct config *config = parse_good(text);
		assert_int_equal(policy_decide(config, &user, &p, NULL), 0);
		assert_string_equal(p.hostname, cases[i].expected);
	}
}

static void test_contradiction(void **state)
{
	_cleanup_config_ struct config *config = parse_good(
		"covers = [ \"ann\" ];\nrules = ( { match = \"*\";\nlimits = { memory = \"max\"; }; },\n"
		"{ match = \"@students\"; limits = { swap = \"1G\"; }; },\n"
		"{ match = \"uid:7\"; limits = { swap = \"max\"; }; } );");
	struct user_facts seven = ann, bob = ann;
	struct carrel_error err;
	struct policy p;

	assert_int_equal(policy_decide(config, &ann, &p, &err), -EINVAL);
	assert_string_equal(err.msg,
			    "f:3: 'limits.memory' is \"max\", so 'limits.swap' must be \"max\" as well");
	assert_int_equal(err.code, EINVAL);
	seven.uid = 7;
	assert_int_equal(policy_decide(config, &seven, &p, &err), 0);
	/* not covered, so not refused */
	bob.name = (char *)"bob";
	assert_int_equal(policy_decide(config, &bob, &p, &err), 0);
	assert_false(p.covered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_covers),
		cmocka_unit_test(test_exempt_wins),
		cmocka_unit_test(test_root_never),
		cmocka_unit_test(test_no_groups),
		cmocka_unit_test(test_origin_of_decision),
		cmocka_unit_test(test_long_pattern),
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_every_value_is_stored),
		cmocka_unit_test(test_rules_in_order),
		cmocka_unit_test(test_two_files),
		cmocka_unit_test(test_hostname),
		cmocka_unit_test(test_contradiction),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
