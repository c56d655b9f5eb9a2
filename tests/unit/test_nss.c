/* test_nss.c - which nsswitch.conf texts let sshd join a sandbox's network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/nss.h"

static void check(const char *in, const char *expected)
{
	char text[512], offender[32] = "";

	snprintf(text, sizeof(text), "%s", in);
	bool local = nss_text_is_local(text, offender, sizeof(offender));
	assert_int_equal(local, expected == NULL);
	if (expected)
		assert_string_equal(offender, expected);
}

static void local_sources(void **state)
{
	check("", NULL);
	check("passwd: files systemd\ngroup: files [SUCCESS=merge] systemd\nhosts: files dns\n", NULL);
	check("passwd:files sss # ldap\n#group: ldap\n", NULL);
	check("group: db compat [ NOTFOUND = return ] files\n", NULL);
}

static void network_sources(void **state)
{
	check("passwd: files ldap\n", "ldap");
	check("group:\tfiles\twinbind\n", "winbind");
	check("initgroups: files [NOTFOUND=continue] nis\n", "nis");
	check("hosts: dns\nshadow: files nisplus\n", "nisplus");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(local_sources),
		cmocka_unit_test(network_sources),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
