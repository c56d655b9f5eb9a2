/* test_config.c - the grammar: the table of keys, every error with its line, suggestions. */
#include "parse.h"

#include <ctype.h>
#include <stdlib.h>

/* --- the table --- */

static void test_table(void **state)
{
	struct carrel_error err = { 0 };
	_cleanup_config_ struct config *config = config_new(&err);

	assert_non_null(config);
	assert_int_equal(config->defaults.count, config_keys_count);
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];

		assert_non_null(key->name);
		assert_non_null(key->help);
		assert_true(strlen(key->help) > 8 && strlen(key->help) < 90);
		assert_true(islower((unsigned char)key->help[0]));
		assert_true(key->help[strlen(key->help) - 1] != '.');
		assert_non_null(key->fallback);
		assert_int_equal(key->choices != NULL, key->type == KEY_CHOICE);
		assert_int_equal(config->defaults.items[i].key, i);
		assert_null(config->defaults.items[i].origin.file);
		assert_true(key->offset == CONFIG_NOT_STORED || key->offset < sizeof(struct policy));
		/* what can be set has somewhere to go */
		assert_true(key->offset != CONFIG_NOT_STORED || key->type == KEY_PATTERNS);
		for (size_t j = 0; j < i; j++) {
			char a[CONFIG_LABEL_MAX], b[CONFIG_LABEL_MAX];

			assert_string_not_equal(config_key_label(key, a),
						config_key_label(&config_keys[j], b));
			assert_true(key->offset == CONFIG_NOT_STORED || key->offset != config_keys[j].offset);
		}
	}
}

/* Every scalar key, set to its own fallback, is accepted. */
static void test_fallbacks_parse(void **state)
{
	for (size_t i = 0; i < config_keys_count; i++) {
		const struct config_key *key = &config_keys[i];
		const char *quote = key->type == KEY_BOOL ? "" : "\"";
		char setting[256], text[512];

		if (key->type == KEY_TABLE || key->type == KEY_PATTERNS || key->type == KEY_NAMES ||
		    key->type == KEY_CAPS)
			continue;
		snprintf(setting, sizeof(setting), "%s%s%s = %s%s%s; %s", key->group ? key->group : "",
			 key->group ? " = { " : "", key->name, quote, key->fallback, quote,
			 key->group ? "};" : "");
		if (key->top_level)
			snprintf(text, sizeof(text), "%s", setting);
		else if (key->rules_only)
			snprintf(text, sizeof(text), "rules = ( { match = \"*\"; %s } );", setting);
		else
			snprintf(text, sizeof(text), "defaults = { %s };", setting);
		assert_errors(text, "");
	}
}

/* --- what is accepted --- */

static void test_everything_at_once(void **state)
{
	assert_errors("covers = [ \"@students\", \"uid:2000-2999\" ];\n"
		      "exempt = ( \"@sudo\", \"ann\" );\n"
		      "mode = \"shadow\";\n"
		      "defaults = {\n"
		      "  image = \"alpine-3.20\"; rootfs = \"persistent\"; login_as = \"user\"; shell = "
		      "\"/bin/ash\";\n"
		      "  home = \"private\"; share_ssh_dir = False; hostname = \"box-%u.%h\";\n"
		      "  forced_command_ok = true; network = \"none\"; forwarding = \"host\";\n"
		      "  no_new_privs = true; seccomp = \"off\";\n"
		      "  capabilities = [ \"CAP_CHOWN\", \"kill\", \"Cap_Net_Raw\" ];\n"
		      "  env = ( \"EDITOR\", \"LC_*\", \"_x9\" );\n"
		      "  binds = ( );\n"
		      "  limits = { memory = \"1G\"; swap = \"max\"; cpus = \"0.5\"; cpu_weight = \"10000\"; "
		      "pids = \"4\";\n"
		      "    io = [ ]; tmp = \"64K\"; tmp_inodes = \"1k\"; open_files = \"1024\"; };\n"
		      "  user_limits = { memory = \"max\"; cpu_weight = \"100\"; };\n"
		      "  session = { max = \"1\"; idle = \"off\"; lifetime = \"max\"; warn = \"1m\"; };\n"
		      "};\n"
		      "rules = ( { match = \"@students\"; limits = { memory = \"256M\" } },\n"
		      "  { match = [ \"dev1\", \"*\" ]; group_limits = { cpus = \"off\"; }; login_as = "
		      "\"root\"; } );\n",
		      "");
}

static void test_empty(void **state)
{
	assert_errors("", "");
	assert_errors("# nothing", ""); /* no newline at the end */
	assert_errors("covers = [ ]; exempt = ( ); defaults = { limits = { }; session: { } } rules = ( )",
		      "");
	assert_errors("/* a\n * comment */ // and\n# more\n", "");
}

/* --- what is refused: text, and all the errors it gives --- */

struct bad {
	const char *text;
	const char *errors;
};

static void check_bad(const struct bad *cases, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_errors(cases[i].text, cases[i].errors);
}

static void test_unknown(void **state)
{
	static const struct bad cases[] = {
		{ "defaults = {\n limits = {\n  memroy = \"1G\"; }; };",
		  "f:3: unknown setting 'memroy' (did you mean 'memory'?)\n" },
		{ "cover = [ ];", "f:1: unknown setting 'cover' (did you mean 'covers'?)\n" },
		{ "default = { };", "f:1: unknown setting 'default' (did you mean 'defaults'?)\n" },
		{ "\n\nrule = ( );", "f:3: unknown setting 'rule' (did you mean 'rules'?)\n" },
		{ "defaults = { limit = { memory = \"1G\"; }; };",
		  "f:1: unknown setting 'limit' (did you mean 'limits'?)\n" },
		{ "rules = ( { mach = \"*\"; } );",
		  "f:1: unknown setting 'mach' (did you mean 'match'?)\n"
		  "f:1: a rule needs a 'match' that says to whom it applies\n" },
		{ "rules = ( { match = \"*\"; session = { maxx = \"1\"; }; } );",
		  "f:1: unknown setting 'maxx' (did you mean 'max'?)\n" },
		{ "defaults = { memroy = \"1G\"; };",
		  "f:1: unknown setting 'memroy' (did you mean 'limits.memory'?)\n" },
		{ "sesion = \"1\";", "f:1: unknown setting 'sesion'\n" },
		{ "colour = true; defaults = { colour = true; };",
		  "f:1: unknown setting 'colour'\nf:1: unknown setting 'colour'\n" },
	};
	check_bad(cases, ARRAY_SIZE(cases));
}

static void test_misplaced(void **state)
{
	static const struct bad cases[] = {
		{ "defaults = {\nmemory = \"1G\"; };",
		  "f:2: setting 'memory' belongs inside limits = { ... }\n" },
		{ "memory = \"1G\";", "f:1: setting 'memory' belongs inside limits = { ... }\n" },
		{ "rules = ( { match = \"*\"; max = \"1\"; } );",
		  "f:1: setting 'max' belongs inside session = { ... }\n" },
		{ "defaults = { session = { pids = \"9\"; }; };",
		  "f:1: setting 'pids' belongs inside limits = { ... }\n" },
		{ "defaults = { limits = { disk = \"1G\"; }; };",
		  "f:1: setting 'disk' belongs inside user_limits = { ... }\n" },
		{ "image = \"x\";", "f:1: setting 'image' belongs inside defaults = { ... } or a rule\n" },
		{ "limits = { };", "f:1: setting 'limits' belongs inside defaults = { ... } or a rule\n" },
		{ "defaults = { limits = { image = \"x\"; }; };",
		  "f:1: setting 'image' belongs inside defaults = { ... } or a rule\n" },
		{ "defaults = { limits = { limits = { }; }; };",
		  "f:1: setting 'limits' belongs inside defaults = { ... } or a rule\n" },
		{ "defaults = { mode = \"off\"; };", "f:1: setting 'mode' belongs at the top of the file\n" },
		{ "rules = ( { match = \"a\"; covers = [ ]; } );",
		  "f:1: setting 'covers' belongs at the top of the file\n" },
		{ "defaults = { rules = ( ); };", "f:1: setting 'rules' belongs at the top of the file\n" },
		{ "defaults = { match = \"a\"; };", "f:1: setting 'match' belongs inside a rule\n" },
		{ "defaults = { group_limits = { }; };",
		  "f:1: setting 'group_limits' belongs inside a rule\n" },
	};
	check_bad(cases, ARRAY_SIZE(cases));
}

static void test_types(void **state)
{
	static const struct bad cases[] = {
		{ "defaults = { limits = {\n memory = 512; }; };",
		  "f:2: 'limits.memory' is not a string: write it with quotes, for example \"512M\"\n" },
		{ "defaults = { limits = { cpus = 0.5; }; };",
		  "f:1: 'limits.cpus' is not a string: write it with quotes, for example \"1\"\n" },
		{ "defaults = { session = { max = 99999999999; }; };",
		  "f:1: 'session.max' is not a string: write it with quotes, for example \"8\"\n" },
		{ "defaults = { limits = { memory = true; }; };",
		  "f:1: 'limits.memory' must be a string, for example \"512M\"\n" },
		{ "defaults = { limits = { memory = { }; }; };",
		  "f:1: 'limits.memory' must be a string, for example \"512M\"\n" },
		{ "defaults = { limits = \"512M\"; };",
		  "f:1: 'limits' must be a group of settings: { ... }\n" },
		{ "defaults = ( );", "f:1: 'defaults' must be a group of settings: { ... }\n" },
		{ "rules = { match = \"*\"; };",
		  "f:1: 'rules' must be a list of groups: ( { match = \"...\"; ... }, ... )\n" },
		{ "rules = [ \"a\" ];",
		  "f:1: 'rules' must be a list of groups: ( { match = \"...\"; ... }, ... )\n" },
		{ "rules = (\n\"a\",\n( ) );",
		  "f:2: a rule must be a group of settings: { match = \"...\"; ... }\n"
		  "f:3: a rule must be a group of settings: { match = \"...\"; ... }\n" },
		{ "defaults = { share_ssh_dir = \"true\"; };",
		  "f:1: 'share_ssh_dir' must be true or false, without quotes\n" },
		{ "defaults = { no_new_privs = 1; };",
		  "f:1: 'no_new_privs' must be true or false, without quotes\n" },
		{ "defaults = { image = 3; };",
		  "f:1: 'image' is not a string: write it with quotes, for example \"alpine\"\n" },
		{ "mode = [ \"off\" ];", "f:1: 'mode' must be a string, for example \"enforce\"\n" },
		{ "covers = \"ann\";",
		  "f:1: 'covers' must be a list of strings: [ \"@group\", \"name\" ]\n" },
		{ "exempt = (\n\"a\",\n2000 );", "f:3: 'exempt' must hold strings only\n" },
		{ "covers = [ 1, 2 ];",
		  "f:1: 'covers' must hold strings only\nf:1: 'covers' must hold strings only\n" },
		{ "defaults = { env = \"EDITOR\"; };",
		  "f:1: 'env' must be a list of strings: [ \"...\", \"...\" ]\n" },
		{ "defaults = { env = ( \"A\",\n1,\n( \"B\" ) ); };",
		  "f:2: 'env' must hold strings only\nf:3: 'env' must hold strings only\n" },
		{ "defaults = { capabilities = \"chown\"; };",
		  "f:1: 'capabilities' must be a list of strings: [ \"...\", \"...\" ]\n" },
	};
	check_bad(cases, ARRAY_SIZE(cases));
}

static void test_syntax(void **state)
{
	static const struct bad cases[] = {
		{ "covers = [ ];\nmode = ;\n", "f:2: syntax error\n" },
		{ "defaults = {\n image = \"a\";\n image = \"b\"; };", "f:3: duplicate setting name\n" },
		{ "mode = \"off\";\nmode = \"off\";", "f:2: duplicate setting name\n" },
		/* A comma at the end is an error for libconfig 1.5, and none from 1.7 on. */
		{ "rules = (\n { match = \"a\"; }\n { match = \"b\"; });", "f:3: syntax error\n" },
		{ "defaults = {\n\n",
		  "f:2: the file ends within a setting: is a string or a bracket not closed?\n" },
		{ "covers = [ \"a\", 1 ];", "f:1: mismatched element type in array\n" },
		{ "covers = ",
		  "f:1: the file ends within a setting: is a string or a bracket not closed?\n" },
		{ "@include \"/etc/shadow\"",
		  "f:1: '@include' is not allowed (put further files into conf.d)\n" },
		{ "mode = \"off\";\n \t@include \"x\"\n@include\"y\"",
		  "f:2: '@include' is not allowed (put further files into conf.d)\n"
		  "f:3: '@include' is not allowed (put further files into conf.d)\n" },
		{ "mode = \"off\"; @include \"x\"", "f:1: syntax error\n" },
		{ "mode = \"off\";\n/* open\nexempt = [ ];", "f:3: a comment or a string is not closed\n" },
		{ "mode = \"off\";\n\"open\nexempt = [ ];", "f:3: a comment or a string is not closed\n" },
		{ "mode = \"off\";\nexempt = [ \"a ];\n",
		  "f:2: the file ends within a setting: is a string or a bracket not closed?\n" },
		{ "\xef\xbb\xbfmode = \"off\";",
		  "f:1: the file begins with a byte order mark: save it without one\n" },
		{ "carrel-end-of-file = true; /*", "f:1: a comment or a string is not closed\n" },
		{ "carrel-end-of-file = true;", "f:1: duplicate setting name\n" },
	};
	check_bad(cases, ARRAY_SIZE(cases));
}

static void test_nul(void **state)
{
	static const char text[] = "mode = \"off\";\n\0exempt = [ ];\n";
	struct errors errors;
	_cleanup_config_ struct config *config = parse_bytes(text, sizeof(text) - 1, &errors);

	assert_non_null(config);
	assert_string_equal(errors.text, "f:1: there is a NUL character in the file\n");
}

static void test_all_errors_and_the_first(void **state)
{
	struct errors errors;
	_cleanup_config_ struct config *config = parse(
		"cover = [ ];\n"
		"covers = [ \"a/b\", \"gid:1\" ];\n"
		"defaults = { shell = \"sh\"; limits = { memory = 5; }; };\n"
		"rules = ( { match = \"*\"; rootfs = \"none\"; } );\n",
		&errors);

	assert_non_null(config);
	assert_int_equal(errors.count, 6);
	assert_string_equal(errors.first.msg, "f:1: unknown setting 'cover' (did you mean 'covers'?)");
	assert_int_equal(errors.first.code, EINVAL);
}

/* Text of the file in a message is made harmless and cut off. */
static void test_messages_are_tame(void **state)
{
	char text[2000] = "mode = \"\\x1b[2J", expected[512];

	size_t used = strlen(text);
	memset(text + used, 'x', 1900);
	memcpy(text + used + 1900, "\";", 3);
	snprintf(expected, sizeof(expected),
		 "f:1: 'mode' must be \"enforce\" or \"shadow\" or \"off\", not \"\\x1b[2J%.*s\"\n", 60,
		 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	assert_errors(text, expected);
	assert_errors("@include\x1b", "f:1: '@include' is not allowed (put further files into conf.d)\n");
}

/* Nesting is bounded by libconfig's parser, not by our stack. */
static void test_deep_nesting(void **state)
{
	enum { DEPTH = 100000 };
	_cleanup_free_ char *text = malloc(2 * DEPTH + 64);
	struct errors errors;

	assert_non_null(text);
	static const char start[] = "rules = ";
	const size_t used = sizeof(start) - 1;
	memcpy(text, start, sizeof(start));
	memset(text + used, '(', DEPTH);
	memset(text + used + DEPTH, ')', DEPTH);
	memcpy(text + used + 2 * (size_t)DEPTH, ";", 2);
	_cleanup_config_ struct config *config = parse(text, &errors);
	assert_non_null(config);
	assert_int_equal(errors.count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_fallbacks_parse),
		cmocka_unit_test(test_everything_at_once),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_unknown),
		cmocka_unit_test(test_misplaced),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_all_errors_and_the_first),
		cmocka_unit_test(test_messages_are_tame),
		cmocka_unit_test(test_deep_nesting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
