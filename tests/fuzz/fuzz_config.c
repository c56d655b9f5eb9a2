/*
 * fuzz_config.c - any bytes as a policy file, then a decision for a made-up user.
 *
 * Beside the sanitizers' checks: a file is either good or has an error with a message, a decision never fails
 * without one, root is never covered, and every string of a policy is there.
 */
#include "must.h"

#include "core/config_internal.h"

/* libconfig 1.5 loses a string that the end of the text or an error cuts off; what we lose is still found. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

static void keep_going(void *arg, const char *message)
{
	MUST(message[0] && !strchr(message, '\n'));
	++*(size_t *)arg;
}

static void decide(const struct config *config, uid_t uid)
{
	static char *groups[] = { (char *)"students", (char *)"users", NULL };
	const struct user_facts user = {
		.uid = uid, .gid = 2000, .name = (char *)"ann", .host = (char *)"box", .groups = groups
	};
	struct policy policy;
	struct carrel_error err = { 0 };

	int r = policy_decide(config, &user, &policy, &err);
	MUST(r == 0 || (r == -err.code && err.msg[0] && policy.covered));
	MUST(policy.why[0] && (uid != 0 || !policy.covered));
	MUST(policy.image[0] && policy.shell[0] == '/' && policy.hostname[0] &&
	     strlen(policy.hostname) <= 64);
	MUST(policy.limits.cpus >= 10 && policy.limits.pids >= 4 && policy.session.max >= 1);
	for (const char *const *name = policy.env; *name; name++)
		MUST((*name)[0] && strncmp(*name, "LD_", 3) != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t reported = 0;
	struct carrel_error err = { 0 };
	struct config_reader reader = { .report = keep_going, .arg = &reported, .err = &err };
	char *text = text_of(data, size);

	reader.config = config_new(&err);
	MUST(reader.config);
	config_parse_text(&reader, "fuzz.conf", text, size);
	MUST((reader.result != 0) == (reported != 0));
	MUST(reader.result == 0 || (reader.result == -err.code && err.msg[0]));
	decide(reader.config, 2000);
	decide(reader.config, 0);
	config_free(reader.config);
	free(text);
	return 0;
}
