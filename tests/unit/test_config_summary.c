/* test_config_summary.c - core/config_summary.c: what `carrelctl check` says about a config as a whole. */
#include "core/config_summary.h"
#include "parse.h"

static void test_summary(void **state)
{
	struct config_summary summary;
	_cleanup_config_ struct config *config = parse_good(
		"covers = [ \"a\", \"@b\" ];\nexempt = [ \"c\" ];\nmode = \"shadow\";\n"
		"rules = ( { match = \"a\"; shell = \"/bin/ash\"; }, { match = \"b\"; } );\n");

	config_summarize(config, &summary);
	assert_int_equal(summary.covers, 2);
	assert_int_equal(summary.exempt, 1);
	assert_int_equal(summary.rules, 2);
	assert_string_equal(summary.mode, "shadow");
}

static void test_summary_of_nothing(void **state)
{
	struct config_summary summary;
	_cleanup_config_ struct config *config = parse_good("");

	config_summarize(config, &summary);
	assert_int_equal(summary.covers + summary.exempt + summary.rules, 0);
	assert_string_equal(summary.mode, "enforce");
}

static int collect(void *arg, const char *text, const struct origin *origin)
{
	char *all = arg;

	snprintf(all + strlen(all), 256 - strlen(all), "%s:%u ", text, origin->file ? origin->line : 0);
	return strcmp(text, "stop") == 0 ? 7 : 0;
}

static void test_each_string(void **state)
{
	char all[256] = "";
	_cleanup_config_ struct config *config = parse_good(
		"rules = ( { match = \"a\"; image = \"one\"; },\n { match = \"b\"; },\n"
		" { match = \"c\"; image = \"stop\"; },\n { match = \"d\"; image = \"three\"; } );\n");

	assert_int_equal(config_each_string(config, "image", collect, all), 7);
	assert_string_equal(all, "alpine:0 one:1 stop:3 ");
}

/* A default that a file replaces can never become effective. */
static void test_each_string_replaced(void **state)
{
	char all[256] = "";
	_cleanup_config_ struct config *config = parse_good("\ndefaults = { image = \"mine\"; };\n");

	assert_int_equal(config_each_string(config, "image", collect, all), 0);
	assert_string_equal(all, "mine:2 ");
}

static void collect_name(void *arg, const char *key, const char *text, const struct origin *origin)
{
	char *all = arg;

	snprintf(all + strlen(all), 256 - strlen(all), "%s:%s:%u ", key, text, origin->line);
}

static void test_each_name(void **state)
{
	char all[256] = "";
	_cleanup_config_ struct config *config = parse_good(
		"rules = ( { match = [ \"*\", \"@a\" ]; },\n { match = \"uid:1-2\"; },\n { match = \"b\"; } "
		");\n"
		"covers = [ \"@c\" ];\nexempt = [ \"d\" ];\n");

	config_each_name(config, collect_name, all);
	assert_string_equal(all, "covers:@c:4 exempt:d:5 match:@a:1 match:b:3 ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_summary),	    cmocka_unit_test(test_summary_of_nothing),
		cmocka_unit_test(test_each_string), cmocka_unit_test(test_each_string_replaced),
		cmocka_unit_test(test_each_name),
	};
	return cmocka_run_group_tests_name("config_summary", tests, NULL, NULL);
}
