/* test_cgroup_io.c - limits of disks: entries of one disk put together, and whether a disk goes by weights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/cgroup_internal.h"
#include "core/units.h"

static const struct io_limit slow_reads = { "/var", 3000, UNIT_NONE, UNIT_NONE, UNIT_NONE, UNIT_NONE, NULL };
static const struct io_limit much = { "/home", 9000, 5000, UNIT_NONE, 20, 300, NULL };
static const struct io_limit light = { NULL, UNIT_NONE, UNIT_NONE, UNIT_NONE, UNIT_NONE, 50, NULL };

static void what_is_least_holds(void **state)
{
	const struct io_limit *orders[][2] = { { &slow_reads, &much }, { &much, &slow_reads } };

	for (size_t i = 0; i < 2; i++) {
		struct cgroup_io_disk disks[IO_LIMITS_MAX];
		size_t n = cgroup_io_merge(disks, 0, "254:0", orders[i][0]);
		n = cgroup_io_merge(disks, n, "254:0", orders[i][1]);
		assert_int_equal(n, 1);
		assert_string_equal(disks[0].disk, "254:0");
		assert_ptr_equal(disks[0].limit.device, orders[i][0]->device);
		assert_true(disks[0].limit.read == 3000);
		assert_true(disks[0].limit.write == 5000);
		assert_true(disks[0].limit.read_ops == UNIT_NONE);
		assert_true(disks[0].limit.write_ops == 20);
		assert_true(disks[0].limit.weight == 300);
	}
}

static void other_disks_stay_apart(void **state)
{
	struct cgroup_io_disk disks[IO_LIMITS_MAX];

	size_t n = cgroup_io_merge(disks, 0, "254:0", &slow_reads);
	n = cgroup_io_merge(disks, n, "254:16", &much);
	n = cgroup_io_merge(disks, n, "default", &light);
	n = cgroup_io_merge(disks, n, "254:16", &slow_reads);
	assert_int_equal(n, 3);
	assert_true(disks[0].limit.write == UNIT_NONE);
	assert_true(disks[1].limit.read == 3000);
	assert_true(disks[1].limit.weight == 300);
	assert_true(disks[2].limit.weight == 50);
}

static void the_scheduler_in_brackets_is_in_use(void **state)
{
	assert_true(cgroup_io_is_bfq("none mq-deadline kyber [bfq] \n"));
	assert_true(cgroup_io_is_bfq("[bfq]"));
	assert_false(cgroup_io_is_bfq("[none] mq-deadline kyber bfq \n"));
	assert_false(cgroup_io_is_bfq("none\n"));
	assert_false(cgroup_io_is_bfq(""));
}

static void io_cost_is_on_for_some_disks(void **state)
{
	static const char qos[] =
		"8:0 enable=0 ctrl=auto rpct=0.00 rlat=0 wpct=0.00 wlat=0 min=1.00 max=10000.00\n"
		"8:16 enable=1 ctrl=user rpct=95.00 rlat=10000 wpct=95.00 wlat=20000 min=50.00 max=150.00\n";

	assert_false(cgroup_io_has_cost(qos, "8:0")); /* and not because of the next line */
	assert_true(cgroup_io_has_cost(qos, "8:16"));
	assert_false(cgroup_io_has_cost(qos, "8:1"));
	assert_false(cgroup_io_has_cost(qos, "8:160"));
	assert_true(cgroup_io_has_cost(qos, NULL));
	assert_false(cgroup_io_has_cost("8:0 enable=0 ctrl=auto\n", NULL));
	assert_false(cgroup_io_has_cost("", NULL));
	assert_false(cgroup_io_has_cost("", "8:0"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_least_holds),
		cmocka_unit_test(other_disks_stay_apart),
		cmocka_unit_test(the_scheduler_in_brackets_is_in_use),
		cmocka_unit_test(io_cost_is_on_for_some_disks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
