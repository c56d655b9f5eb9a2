/* test_kmsg.c - keeper/kmsg.c: names of killed processes from the kernel's log, whatever they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/cleanup.h"
#include "keeper/kmsg.h"

#define GROUP "carrel/1001/1001-0123abcd"
#define BLOCK 100000

/* The line as the kernel writes it, for a task_memcg and a process' name. */
static enum kmsg_kind parse_line(const char *oom, const char *memcg, const char *task,
				 struct kmsg_victim *victim)
{
	char record[512];

	snprintf(record, sizeof(record),
		 "6,2575,6816817678,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/"
		 ",mems_allowed=0,"
		 "%s,task_memcg=%s,task=%s,pid=4711,uid=0\n SUBSYSTEM=x\n",
		 oom, memcg, task);
	enum kmsg_kind kind = kmsg_parse(record, GROUP, BLOCK, victim);
	if (kind == KMSG_GROUP)
		assert_int_equal(victim->pid, 4711);
	return kind;
}

static enum kmsg_kind parse_group(const char *memcg, const char *task, char *name)
{
	struct kmsg_victim victim = { .name = "" };
	enum kmsg_kind kind = parse_line("oom_memcg=/other/" GROUP, memcg, task, &victim);

	memcpy(name, victim.name, sizeof(victim.name));
	return kind;
}

/* The group whose limit it was, by the number of levels above the session's; a name that looks like one is none. */
static void test_whose_limit(void **state)
{
	static const struct {
		const char *oom, *memcg;
		int above;
	} lines[] = {
		{ "oom_memcg=/" GROUP, "/" GROUP, 0 },
		{ "oom_memcg=/carrel/1001", "/" GROUP, 1 },
		{ "oom_memcg=/carrel", "/" GROUP, 2 },
		{ "oom_memcg=/box/carrel/1001", "/box/" GROUP, 1 },
		{ "oom_memcg=/box", "/box/" GROUP, 3 },
		{ "oom_memcg=/other", "/" GROUP, KMSG_UNKNOWN },
		{ "oom_memcg=/" GROUP "/deeper", "/" GROUP, KMSG_UNKNOWN },
		{ "global_oom", "/" GROUP, -1 },
		{ "something=else", "/" GROUP, KMSG_UNKNOWN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct kmsg_victim victim = { .name = "" };
		assert_int_equal(
			parse_line(lines[i].oom, lines[i].memcg, ",global_oom,oom_memcg=/x", &victim),
			KMSG_GROUP);
		assert_int_equal(victim.above, lines[i].above);
	}
}

static void test_group(void **state)
{
	char name[KMSG_NAME_MAX];

	assert_int_equal(parse_group("/" GROUP, "python3", name), KMSG_GROUP);
	assert_string_equal(name, "python3");
	assert_int_equal(parse_group("/a/b/" GROUP, "dd", name), KMSG_GROUP);
	assert_string_equal(name, "dd");
	assert_int_equal(parse_group("/" GROUP "0", "dd", name), KMSG_OTHER);
	assert_int_equal(parse_group("/x" GROUP, "dd", name), KMSG_OTHER);
	assert_int_equal(parse_group(GROUP, "dd", name), KMSG_OTHER);
	assert_int_equal(parse_group("/", "dd", name), KMSG_OTHER);
	assert_int_equal(parse_group("/carrel/1001/1001-99999999", "dd", name), KMSG_OTHER);
}

/* A record's further lines are not about processes. */
static void test_first_line_only(void **state)
{
	struct kmsg_victim victim;

	assert_int_equal(kmsg_parse("6,1,2,-;oom-kill:,pid=1,uid=0\n ,task_memcg=/" GROUP
				    ",task=dd,pid=1,uid=0\n",
				    GROUP, BLOCK, &victim),
			 KMSG_OTHER);
	assert_int_equal(kmsg_parse("6,1,2,-;oom-kill:,task_memcg=/" GROUP ",pid=1,uid=0\n ,task=dd,pid=1\n",
				    GROUP, BLOCK, &victim),
			 KMSG_OTHER);
}

/* A name of the user's choice, as the log has it, is the name and nothing else. */
static void test_names(void **state)
{
	static const struct {
		const char *log, *name;
	} names[] = {
		{ "", "" },
		{ "a,pid=1,uid=2", "a,pid=1,uid=2" },
		{ ",task_memcg=/", ",task_memcg=/" },
		{ ",task=x", ",task=x" },
		{ "\\x1b[2J", "\033[2J" },
		{ "a\\x0ab", "a\nb" },
		{ "\\x5cx41", "\\x41" },
		{ "\\x00", "\\x00" },
		{ "\\xZZ\\x", "\\xZZ\\x" },
		{ "much too long for a name", "much too long f" },
	};
	char name[KMSG_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(parse_group("/" GROUP, names[i].log, name), KMSG_GROUP);
		assert_string_equal(name, names[i].name);
	}
}

static enum kmsg_kind parse_user(const char *comm, unsigned long uid, char *name)
{
	struct kmsg_victim victim = { .name = "" };
	char record[512];

	snprintf(record, sizeof(record),
		 "3,2576,6816817678,-;Memory cgroup out of memory: Killed process 4973 (%s) total-vm:1624kB, "
		 "anon-rss:0kB, file-rss:0kB, shmem-rss:872kB, UID:%lu pgtables:44kB oom_score_adj:100\n",
		 comm, uid);
	enum kmsg_kind kind = kmsg_parse(record, GROUP, BLOCK, &victim);
	if (kind == KMSG_USER)
		assert_int_equal(victim.pid, 4973);
	memcpy(name, victim.name, sizeof(victim.name));
	return kind;
}

static void test_user(void **state)
{
	char name[KMSG_NAME_MAX];

	assert_int_equal(parse_user("dd", BLOCK, name), KMSG_USER);
	assert_string_equal(name, "dd");
	assert_int_equal(parse_user("dd", BLOCK + 65535, name), KMSG_USER);
	assert_int_equal(parse_user("dd", BLOCK + 65536, name), KMSG_OTHER);
	assert_int_equal(parse_user("dd", BLOCK - 1, name), KMSG_OTHER);
	assert_int_equal(parse_user("dd", 0, name), KMSG_OTHER);
	assert_int_equal(parse_user(") UID:1 (", BLOCK, name), KMSG_USER);
	assert_string_equal(name, ") UID:1 (");
	assert_int_equal(parse_user(") total-vm:", BLOCK, name), KMSG_USER);
	assert_string_equal(name, ") total-vm:");
}

static void test_others(void **state)
{
	static const char *const records[] = {
		"",
		"6,1,2,-",
		"6,1,2,-;",
		"6,1,2,-;oom-kill:",
		"6,1,2,-;oom-kill:,task_memcg=",
		"6,1,2,-;oom-kill:,task_memcg=/" GROUP,
		"6,1,2,-;oom-kill:,task_memcg=/" GROUP ",task=",
		"6,1,2,-;oom-kill:,task_memcg=/" GROUP ",task=dd",
		/* Not the kernel: somebody wrote to /dev/kmsg. */
		"12,1,2,-;oom-kill:,task_memcg=/" GROUP ",task=dd,pid=1,uid=0\n",
		"6,1,2,-;x: Killed process",
		"6,1,2,-;x: Killed process 7 (",
		"6,1,2,-;x: Killed process 7 ) total-vm: UID:100000",
		"6,1,2,-; UID:100000) total-vm:x: Killed process 7 (",
	};
	struct kmsg_victim victim;

	for (size_t i = 0; i < ARRAY_SIZE(records); i++)
		assert_int_equal(kmsg_parse(records[i], GROUP, BLOCK, &victim), KMSG_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_group), cmocka_unit_test(test_first_line_only),
		cmocka_unit_test(test_names), cmocka_unit_test(test_whose_limit),
		cmocka_unit_test(test_user),  cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
