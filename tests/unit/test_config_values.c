/* test_config_values.c - what each setting may be: ranges, choices, strings, lists, and whom a pattern means. */
#include "parse.h"

/* One value of one key inside defaults, and the end of the message, or NULL: it is good. */
struct value_case {
	const char *setting;
	const char *message;
};

static void check_values(const struct value_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char text[512], expected[512] = "";

		snprintf(text, sizeof(text), "defaults = {\n%s\n};", cases[i].setting);
		if (cases[i].message)
			snprintf(expected, sizeof(expected), "f:2: %s\n", cases[i].message);
		assert_errors(text, expected);
	}
}

static void test_numbers(void **state)
{
	static const struct value_case cases[] = {
		{ "limits = { memory = \"8M\"; };", NULL },
		{ "limits = { memory = \"8191k\"; };",
		  "'limits.memory' must be between \"8M\" and \"1024T\", or \"max\", not \"8191k\"" },
		{ "limits = { memory = \"1025T\"; };",
		  "'limits.memory' must be between \"8M\" and \"1024T\", or \"max\", not \"1025T\"" },
		{ "limits = { memory = \"99999999999999999999\"; };",
		  "'limits.memory' must be between \"8M\" and \"1024T\", or \"max\", not "
		  "\"99999999999999999999\"" },
		{ "limits = { memory = \"512MB\"; };",
		  "'limits.memory' must be a size such as \"512M\", or \"max\", not \"512MB\"" },
		{ "limits = { memory = \"\"; };",
		  "'limits.memory' must be a size such as \"512M\", or \"max\", not \"\"" },
		{ "limits = { swap = \"0\"; };", NULL },
		{ "limits = { cpus = \"0.01\"; };", NULL },
		{ "limits = { cpus = \"0\"; };",
		  "'limits.cpus' must be between \"0.01\" and \"10000\", or \"max\", not \"0\"" },
		{ "limits = { cpus = \"10001\"; };",
		  "'limits.cpus' must be between \"0.01\" and \"10000\", or \"max\", not \"10001\"" },
		{ "limits = { cpus = \"half\"; };",
		  "'limits.cpus' must be a number of CPUs such as \"1.5\", or \"max\", not \"half\"" },
		{ "limits = { cpu_weight = \"1\"; };", NULL },
		{ "limits = { cpu_weight = \"0\"; };",
		  "'limits.cpu_weight' must be between \"1\" and \"10000\", not \"0\"" },
		{ "limits = { cpu_weight = \"10001\"; };",
		  "'limits.cpu_weight' must be between \"1\" and \"10000\", not \"10001\"" },
		{ "limits = { cpu_weight = \"max\"; };",
		  "'limits.cpu_weight' must be a number such as \"256\", not \"max\"" },
		{ "limits = { pids = \"max\"; };", NULL },
		{ "limits = { pids = \"3\"; };",
		  "'limits.pids' must be between \"4\" and \"4M\", or \"max\", not \"3\"" },
		{ "limits = { tmp = \"64K\"; };", NULL },
		{ "limits = { tmp = \"63K\"; };",
		  "'limits.tmp' must be between \"64K\" and \"1024T\", not \"63K\"" },
		{ "limits = { tmp = \"off\"; };",
		  "'limits.tmp' must be a size such as \"512M\", not \"off\"" },
		{ "limits = { tmp_inodes = \"1\"; };",
		  "'limits.tmp_inodes' must be between \"64\" and \"1G\", not \"1\"" },
		{ "limits = { open_files = \"2M\"; };",
		  "'limits.open_files' must be between \"32\" and \"1M\", not \"2M\"" },
		{ "session = { max = \"off\"; };", NULL },
		{ "session = { max = \"0\"; };",
		  "'session.max' must be between \"1\" and \"100000\", or \"max\", not \"0\"" },
	};
	check_values(cases, ARRAY_SIZE(cases));
}

static void test_choices(void **state)
{
	static const struct value_case cases[] = {
		{ "login_as = \"user\";", NULL },
		{ "login_as = \"User\";", "'login_as' must be \"root\" or \"user\", not \"User\"" },
		{ "seccomp = \"on\";", "'seccomp' must be \"default\" or \"off\", not \"on\"" },
		{ "forwarding = \"\";", "'forwarding' must be \"sandbox\" or \"host\", not \"\"" },
		{ "network = \"bridge\";", "'network' must be \"none\", not \"bridge\"" },
	};
	check_values(cases, ARRAY_SIZE(cases));
	assert_errors("mode = \"audit\";",
		      "f:1: 'mode' must be \"enforce\" or \"shadow\" or \"off\", not \"audit\"\n");
}

static void test_unavailable(void **state)
{
	static const struct value_case cases[] = {
		{ "network = \"host\";", "'network': \"host\" is not available in this version" },
		{ "network = \"nat\";", "'network': \"nat\" is not available in this version" },
	};
	check_values(cases, ARRAY_SIZE(cases));
}

static void test_io(void **state)
{
	static const struct value_case cases[] = {
		{ "limits = { io = ( { device = \"/dev/sda\"; read = \"10M\"; } ); };", NULL },
		{ "user_limits = { io = ( { weight = \"50\"; } ); };", NULL },
		{ "limits = { io = ( { device = \"/dev/sda\"; } ); };",
		  "each of 'limits.io' needs one of 'read', 'write', 'read_ops', 'write_ops', 'weight'" },
		{ "limits = { io = ( { read = \"10M\"; } ); };",
		  "each of 'limits.io' needs a 'device' for its rates" },
		{ "limits = { io = ( { device = \"sda\"; read = \"1\"; } ); };",
		  "'io.device' must be an absolute path, not \"sda\"" },
		{ "limits = { io = ( { devcie = \"/dev/sda\"; } ); };",
		  "unknown setting 'devcie' (did you mean 'device'?)" },
		{ "limits = { io = ( { device = \"/dev/sda\"; read = 5; } ); };",
		  "'io.read' is not a string: write it with quotes, for example \"max\"" },
		{ "limits = { io = ( { weight = \"0\"; } ); };",
		  "'io.weight' must be between \"1\" and \"10000\", or \"max\", not \"0\"" },
		{ "limits = { io = \"10M\"; };",
		  "'limits.io' must be a list of groups: ( { ... }, { ... } )" },
		{ "limits = { io = ( \"10M\" ); };",
		  "'limits.io' must be a list of groups: ( { ... }, { ... } )" },
		{ "optional = [ \"limits.io\", \"user_limits.disk\" ];", NULL },
		{ "optional = [ \"io\" ];", "'optional' must be names of limits such as \"limits.io\" or "
					    "\"user_limits.disk\": \"io\"" },
	};
	check_values(cases, ARRAY_SIZE(cases));
}

static void test_strings(void **state)
{
	static const struct value_case cases[] = {
		{ "image = \"../etc\";",
		  "'image' must be a name of letters, digits, '.', '_' and '-', not \"../etc\"" },
		{ "image = \"\";", "'image' must be a name of letters, digits, '.', '_' and '-', not \"\"" },
		{ "shell = \"sh\";", "'shell' must be the absolute path of a program, not \"sh\"" },
		{ "shell = \"\";", "'shell' must be the absolute path of a program, not \"\"" },
		{ "shell = \"/\";", "'shell' must be the absolute path of a program, not \"/\"" },
		{ "shell = \"/bin/\";", "'shell' must be the absolute path of a program, not \"/bin/\"" },
		{ "shell = \"/bin/../sh\";", "'shell' must not contain '..', not \"/bin/../sh\"" },
		{ "shell = \"/bin/..\";", "'shell' must not contain '..', not \"/bin/..\"" },
		{ "shell = \"/..\";", "'shell' must not contain '..', not \"/..\"" },
		{ "shell = \"/bin/..sh\";", NULL },
		{ "shell = \"/a\";", NULL },
		{ "shell = \"/bin/a\\nb\";",
		  "'shell' must not contain control characters, not \"/bin/a\\x0ab\"" },
		{ "hostname = \"\";", "'hostname' must have between 1 and 255 characters, not \"\"" },
		{ "hostname = \"a-%u.%h-%u\";", NULL },
		{ "hostname = \"a_b\";",
		  "'hostname' must be of letters, digits, '.', '-', %u and %h, not \"a_b\"" },
		{ "hostname = \"%n\";",
		  "'hostname' may have %u (the user) and %h (the host) in it, and no other '%', not \"%n\"" },
		{ "hostname = \"a%\";",
		  "'hostname' may have %u (the user) and %h (the host) in it, and no other '%', not \"a%\"" },
	};

	check_values(cases, ARRAY_SIZE(cases));
}

static void test_env(void **state)
{
	static const char *const good[] = { "EDITOR",	   "LC_*",     "_", "a1_*",  "LD",
					    "ENVIRONMENT", "HOMEPAGE", "L", "PATHS", "USERX" };
	static const char *const names[] = { "", "*", "A=B", "1A", "A-B", "A*B", "A**", "A B", "%" };
	static const char *const refused[] = { "PATH", "HOME",	"USER",	   "LOGNAME",  "SHELL",
					       "MAIL", "IFS",	"ENV",	   "BASH_ENV", "LD_PRELOAD",
					       "LD_*", "LD_",	"LD_AUD*", "L*",       "CARREL_SESSION",
					       "C*",   "PATH*", "EN*",	   "BASH_*",   "B*" };
	char text[128], expected[512];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "defaults = { env = [ \"%s\" ]; };", good[i]);
		assert_errors(text, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "defaults = { env = [ \"GOOD\",\n\"%s\" ]; };", names[i]);
		snprintf(expected, sizeof(expected),
			 "f:2: 'env' must be names of variables, with a '*' at the end at most: \"%s\"\n",
			 names[i]);
		assert_errors(text, expected);
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		snprintf(text, sizeof(text), "defaults = { env = [ \"%s\" ]; };", refused[i]);
		snprintf(expected, sizeof(expected),
			 "f:1: 'env' must not let in PATH, HOME, USER, LOGNAME, SHELL, MAIL, IFS, ENV, "
			 "BASH_ENV, "
			 "LD_* or CARREL_*: \"%s\"\n",
			 refused[i]);
		assert_errors(text, expected);
	}
}

static void test_capabilities(void **state)
{
	static const char *const bad[] = { "",	    "cap_",   "CAP_FLY",       "0",   "5",
					   "cap_5", "chown ", "cap_cap_chown", "all", "chown,kill" };
	char text[128], expected[256];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "defaults = { capabilities = [ \"kill\",\n\"%s\" ]; };", bad[i]);
		snprintf(expected, sizeof(expected),
			 "f:2: unknown capability '%s' (capabilities(7) lists them)\n", bad[i]);
		assert_errors(text, expected);
	}
	assert_errors("defaults = { capabilities = [ ]; };", "");
}

static void test_patterns(void **state)
{
	static const char *const good[] = { "ann",
					    "a",
					    "_apt",
					    "ann.b-c",
					    "user@site",
					    "DOMAIN\\\\ann",
					    "j\xc3\xb6rg",
					    "2nd",
					    "@staff",
					    "@domain users",
					    "uid:0",
					    "uid:2000",
					    "uid:2000-2999",
					    "uid:7-7",
					    "uid:4294967294",
					    "*",
					    "svc$" };
	static const char *const uids[] = { "uid:",    "uid:x",		 "uid:-5",
					    "uid:5-",  "uid:9-5",	 "uid:1-2-3",
					    "uid:1 ",  "uid:4294967295", "uid:99999999999999999999",
					    "uid:0x10" };
	static const char *const bad[] = { "",	   "@",	   "@@a",     "gid:100", "group:staff", "a/b",
					   "dev*", "?",	   "%wheel",  "!ann",	 "-ann",	"a,b",
					   " ann", "ann ", "@staff ", "a:b" };
	char text[128], expected[256];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		snprintf(text, sizeof(text), "rules = ( { match = \"%s\"; } ); covers = [ \"%s\" ];", good[i],
			 good[i]);
		assert_errors(text, "");
	}
	for (size_t i = 0; i < ARRAY_SIZE(uids); i++) {
		snprintf(text, sizeof(text), "exempt = [ \"ann\",\n\"%s\" ];", uids[i]);
		snprintf(expected, sizeof(expected),
			 "f:2: 'exempt': '%s' is not a range of uids such as \"uid:2000-2999\"\n", uids[i]);
		assert_errors(text, expected);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "rules = ( { match = ( \"%s\" ); } );", bad[i]);
		snprintf(expected, sizeof(expected),
			 "f:1: 'match': '%s' is none of \"name\", \"@group\", \"uid:FIRST-LAST\", \"*\"\n",
			 bad[i]);
		assert_errors(text, expected);
	}
	assert_errors("covers = [ \"2000\" ];",
		      "f:1: 'covers': '2000' is not a user name (a uid is written \"uid:2000\")\n");
	assert_errors("rules = ( { match = 5; }, { match = [ 5 ]; }, { match = ( ); }, { } );",
		      "f:1: 'match' must be a list of strings: [ \"@group\", \"name\" ]\n"
		      "f:1: 'match' must hold strings only\n"
		      "f:1: 'match' is empty: the rule could never apply\n"
		      "f:1: a rule needs a 'match' that says to whom it applies\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),	     cmocka_unit_test(test_choices),
		cmocka_unit_test(test_unavailable),  cmocka_unit_test(test_io),
		cmocka_unit_test(test_strings),	     cmocka_unit_test(test_env),
		cmocka_unit_test(test_capabilities), cmocka_unit_test(test_patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
