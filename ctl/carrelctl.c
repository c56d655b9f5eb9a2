/*
 * carrelctl.c - the administrator's tool: main, the table of verbs and the help made from it.
 *
 * Run by hand or from scripts, mostly as root. It talks to keepers over their control sockets and reads the files
 * that they write; the one thing it builds itself is an image (image_import.c).
 */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/paths.h"
#include "core/text.h"
#include "ctl.h"

static int verb_help(const struct ctl_args *args);
static int verb_version(const struct ctl_args *args);

/* In the order of the help. */
static const struct ctl_verb verbs[] = {
	{ "check", NULL, "[FILE]", "check the policy and say what is wrong with it", 0, 0, 1, false,
	  verb_check },
	{ "explain", NULL, "USER", "show what the policy says for one user, and where it says so", CTL_JSON,
	  1, 1, false, verb_explain },
	{ "doctor", NULL, "[USER]", "say what is wrong on this host, or for one user, and how to mend it",
	  CTL_JSON, 0, 1, true, verb_doctor },
	{ "list", NULL, "", "list the sessions", CTL_JSON, 0, 0, true, verb_list },
	{ "show", NULL, "ID|USER", "show one session, or all of a user, with what they use of their limits",
	  CTL_JSON, 1, 1, true, verb_show },
	{ "top", NULL, "", "show what sessions or users use right now",
	  CTL_JSON | CTL_BATCH | CTL_USERS | CTL_SORT | CTL_TIMES | CTL_DELAY, 0, 0, true, verb_top },
	{ "kill", NULL, "ID|USER", "end one session, or all of a user", 0, 1, 1, true, verb_kill },
	{ "set", NULL, "USER KEY=VALUE...", "change limits of a user's sessions, at once", 0, 2, 99, true,
	  verb_set },
	{ "apply", NULL, "", "give live sessions the limits of the config", 0, 0, 0, true, verb_apply },
	{ "faults", NULL, "[USER]", "list the limits that were reached", CTL_JSON, 0, 1, true, verb_faults },
	{ "gc", NULL, "", "remove what crashes left behind", 0, 0, 0, true, verb_gc },
	{ "image", "import", "NAME SOURCE",
	  "unpack a tar archive, oci:DIR or docker-archive:FILE as an image", CTL_NO_SFTP | CTL_SHA512, 2, 2,
	  true, verb_image_import },
	{ "image", "fetch", "alpine [VERSION]", "download a distribution's root filesystem as an image",
	  CTL_MIRROR | CTL_AS | CTL_NO_SFTP, 1, 2, true, verb_image_fetch },
	{ "image", "build", "busybox [NAME]", "make a small image from this host's busybox", CTL_NO_SFTP, 1,
	  2, true, verb_image_build },
	{ "image", "list", "", "list the base images", CTL_JSON, 0, 0, true, verb_image_list },
	{ "image", "verify", "NAME", "say what of an image was changed since it was made", CTL_JSON, 1, 1,
	  true, verb_image_verify },
	{ "image", "remove", "NAME", "remove a base image", CTL_FORCE, 1, 1, true, verb_image_remove },
	{ "rootfs", "list", "", "list the users' root filesystems", CTL_JSON, 0, 0, true, verb_rootfs_list },
	{ "rootfs", "du", "USER", "show what a root filesystem and its snapshots take", CTL_JSON, 1, 1, true,
	  verb_rootfs_du },
	{ "rootfs", "diff", "USER", "show what a user changed in the image", CTL_JSON, 1, 1, true,
	  verb_rootfs_diff },
	{ "rootfs", "snapshot", "USER NAME", "keep a root filesystem and home as they are", CTL_KILL, 2, 2,
	  true, verb_rootfs_snapshot },
	{ "rootfs", "snapshots", "USER", "list a user's snapshots", CTL_JSON, 1, 1, true,
	  verb_rootfs_snapshots },
	{ "rootfs", "rollback", "USER NAME", "go back to a snapshot", CTL_YES | CTL_KILL, 2, 2, true,
	  verb_rootfs_rollback },
	{ "rootfs", "drop", "USER NAME", "remove a snapshot", CTL_YES | CTL_KILL, 2, 2, true,
	  verb_rootfs_drop },
	{ "rootfs", "reset", "USER", "go back to the bare image", CTL_YES | CTL_KILL | CTL_KEEP_HOME, 1, 1,
	  true, verb_rootfs_reset },
	{ "rootfs", "upgrade", "USER", "go on to another image, keeping what the user changed",
	  CTL_YES | CTL_KILL | CTL_IMAGE | CTL_DRY_RUN | CTL_JSON, 1, 1, true, verb_rootfs_upgrade },
	{ "rootfs", "export", "USER FILE", "write a root filesystem and home to a tar archive", 0, 2, 2, true,
	  verb_rootfs_export },
	{ "rootfs", "adopt", "USER STATE", "give a user a root filesystem that was kept aside",
	  CTL_YES | CTL_KILL, 2, 2, true, verb_rootfs_adopt },
	{ "rootfs", "remove", "USER", "remove a root filesystem, home and snapshots", CTL_YES | CTL_KILL, 1,
	  1, true, verb_rootfs_remove },
	{ "version", NULL, "", "print the version", 0, 0, 0, false, verb_version },
	{ "help", NULL, "[VERB]", "print this, or the usage of one verb", 0, 0, 2, false, verb_help },

	{ .name = "enter" },
};

/* As in the usage, in this order. */
static const struct {
	unsigned option;
	const char *text;
} option_texts[] = {
	{ CTL_BATCH, "--batch" },	  { CTL_TIMES, "-n TIMES" },	{ CTL_JSON, "--json" },
	{ CTL_USERS, "--users" },	  { CTL_SORT, "--sort KEY" },	{ CTL_DELAY, "-d SECONDS" },
	{ CTL_FORCE, "--force" },	  { CTL_NO_SFTP, "--no-sftp" }, { CTL_MIRROR, "--mirror URL" },
	{ CTL_AS, "--as NAME" },	  { CTL_YES, "--yes" },		{ CTL_KILL, "--kill" },
	{ CTL_KEEP_HOME, "--keep-home" }, { CTL_DRY_RUN, "--dry-run" }, { CTL_IMAGE, "--image NAME" },
	{ CTL_SHA512, "--sha512 HEX" },
};

static void print_usage(FILE *out, const struct ctl_verb *verb)
{
	fprintf(out, "carrelctl %s%s%s", verb->name, verb->sub ? " " : "", verb->sub ? verb->sub : "");
	for (size_t i = 0; i < ARRAY_SIZE(option_texts); i++)
		if (verb->options & option_texts[i].option)
			fprintf(out, option_texts[i].option == CTL_IMAGE ? " %s" : " [%s]",
				option_texts[i].text);
	fprintf(out, "%s%s\n", *verb->arguments ? " " : "", verb->arguments);
}

static void print_help(FILE *out)
{
	fputs("usage: carrelctl VERB [ARGUMENT...]\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		const struct ctl_verb *verb = &verbs[i];
		char call[96];

		if (!verb->run)
			continue;
		(void)text_format(call, sizeof(call), "%s%s%s %s", verb->name, verb->sub ? " " : "",
				  verb->sub ? verb->sub : "", verb->arguments);
		fprintf(out, "  %-28s %s\n", call, verb->summary);
	}
	fputs("\nWhat prints a table takes --json. The exit status is 0 when done, 1 for a failure,\n"
	      "2 for a wrong command line. See carrelctl(8) and carrel.conf(5).\n",
	      out);
}

/* Names for a suggestion: the verbs, or the words that may follow `name`. */
static const char *nearest(const char *word, const char *name)
{
	const char *candidates[ARRAY_SIZE(verbs) + 1];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verbs[i].run && !name)
			candidates[n++] = verbs[i].name;
		else if (verbs[i].run && verbs[i].sub && strcmp(verbs[i].name, name) == 0)
			candidates[n++] = verbs[i].sub;
	}
	candidates[n] = NULL;
	return text_nearest(word, candidates);
}

static const struct ctl_verb *lookup(const char *name, const char *sub)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (strcmp(verbs[i].name, name) == 0 &&
		    (!verbs[i].sub || (sub && strcmp(verbs[i].sub, sub) == 0)))
			return &verbs[i];
	}
	return NULL;
}

static bool has_subs(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verbs[i].sub && strcmp(verbs[i].name, name) == 0)
			return true;
	}
	return false;
}

static void report_subs(const char *name)
{
	char subs[256] = "";

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		size_t used = strlen(subs);
		if (verbs[i].run && verbs[i].sub && strcmp(verbs[i].name, name) == 0)
			(void)snprintf(subs + used, sizeof(subs) - used, "%s%s", used ? ", " : "",
				       verbs[i].sub);
	}
	ctl_error("'%s' needs one of: %s", name, subs);
}

/* The verb that these words name, or NULL, having said why. `used` is how many words that took. */
static const struct ctl_verb *find_verb(int count, char *const *words, int *used)
{
	const char *name = words[0], *sub = count > 1 ? words[1] : NULL;
	const struct ctl_verb *verb = lookup(name, sub);
	const char *near;

	if (verb && verb->run) {
		*used = verb->sub ? 2 : 1;
		return verb;
	}
	if (verb) {
		ctl_error("'%s%s%s' is not available in this version", name, verb->sub ? " " : "",
			  verb->sub ? verb->sub : "");
	} else if (!has_subs(name)) {
		near = nearest(name, NULL);
		ctl_error(near ? "unknown verb '%s' (did you mean '%s'?)"
			       : "unknown verb '%s' ('carrelctl help' lists them)",
			  name, near);
	} else if (!sub || *sub == '-') {
		report_subs(name);
	} else {
		near = nearest(sub, name);
		ctl_error(near ? "unknown verb '%s %s' (did you mean '%s'?)"
			       : "unknown verb '%s %s' ('carrelctl help' lists them)",
			  name, sub, near);
	}
	return NULL;
}

static int verb_version(const struct ctl_args *args)
{
	(void)args;
	puts("carrelctl " CARREL_VERSION);
	return CTL_DONE;
}

static int verb_help(const struct ctl_args *args)
{
	int used;

	if (args->count == 0) {
		print_help(stdout);
		return CTL_DONE;
	}
	const struct ctl_verb *verb = find_verb(args->count, args->words, &used);
	if (!verb)
		return CTL_USAGE;
	print_usage(stdout, verb);
	printf("%s\n", verb->summary);
	return CTL_DONE;
}

static int wrong_usage(const struct ctl_verb *verb)
{
	fputs("usage: ", stderr);
	print_usage(stderr, verb);
	return CTL_USAGE;
}

/* `c` is as getopt_long(3) gave it for `word`, which may be an option's value. */
static void refuse_option(const struct ctl_verb *verb, int c, const char *word)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "%s%s%s", verb->name, verb->sub ? " " : "",
		       verb->sub ? verb->sub : "");
	for (size_t i = 0; i < ARRAY_SIZE(option_texts); i++) {
		const char *text = option_texts[i].text;
		if (c != (int)option_texts[i].option || !strchr(text, ' '))
			continue;
		ctl_error("'%s' does not take '%.*s'", name, (int)strcspn(text, " "), text);
		return;
	}
	ctl_error(c == ':' ? "'%s': '%s' needs a value" : "'%s' does not take '%s'", name, word);
}

/* Options may stand before, between and after the words. 1: help was printed instead. */
static int parse_args(const struct ctl_verb *verb, int argc, char **argv, struct ctl_args *args)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, CTL_JSON },
		{ "force", no_argument, NULL, CTL_FORCE },
		{ "no-sftp", no_argument, NULL, CTL_NO_SFTP },
		{ "batch", no_argument, NULL, CTL_BATCH },
		{ "users", no_argument, NULL, CTL_USERS },
		{ "sort", required_argument, NULL, CTL_SORT },
		{ "mirror", required_argument, NULL, CTL_MIRROR },
		{ "as", required_argument, NULL, CTL_AS },
		{ "yes", no_argument, NULL, CTL_YES },
		{ "kill", no_argument, NULL, CTL_KILL },
		{ "keep-home", no_argument, NULL, CTL_KEEP_HOME },
		{ "dry-run", no_argument, NULL, CTL_DRY_RUN },
		{ "image", required_argument, NULL, CTL_IMAGE },
		{ "sha512", required_argument, NULL, CTL_SHA512 },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":hn:d:", options, NULL)) != -1) {
		if (c == 'h') {
			print_usage(stdout, verb);
			return 1;
		}
		if (c == 'n' || c == 'd')
			c = c == 'n' ? CTL_TIMES : CTL_DELAY;
		if (c == '?' || c == ':' || !(verb->options & (unsigned)c)) {
			refuse_option(verb, c, argv[optind - 1]);
			return -CTL_USAGE;
		}
		args->options |= (unsigned)c;
		if (c == CTL_SORT)
			args->sort = optarg;
		else if (c == CTL_TIMES)
			args->times = optarg;
		else if (c == CTL_DELAY)
			args->delay = optarg;
		else if (c == CTL_MIRROR)
			args->mirror = optarg;
		else if (c == CTL_AS)
			args->as = optarg;
		else if (c == CTL_IMAGE)
			args->image = optarg;
		else if (c == CTL_SHA512)
			args->sha512 = optarg;
	}
	args->count = argc - optind;
	args->words = argv + optind;
	if (args->count < verb->min || args->count > verb->max) {
		ctl_error("too %s arguments for '%s%s%s'", args->count < verb->min ? "few" : "many",
			  verb->name, verb->sub ? " " : "", verb->sub ? verb->sub : "");
		return -CTL_USAGE;
	}
	return 0;
}

static int run_verb(const struct ctl_verb *verb, int argc, char **argv)
{
	struct ctl_args args = { 0 };
	int r = parse_args(verb, argc, argv, &args);

	if (r < 0)
		return wrong_usage(verb);
	if (r > 0)
		return CTL_DONE;
	if (verb->needs_root && geteuid() != 0) {
		ctl_error("'%s%s%s' must be run as root", verb->name, verb->sub ? " " : "",
			  verb->sub ? verb->sub : "");
		return CTL_FAILED;
	}
	return verb->run(&args);
}

/* A descriptor opened in the place of a closed standard one would get the messages. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	int used;

	fill_standard_descriptors();
	if (argc < 2) {
		print_help(stderr);
		return CTL_USAGE;
	}
	/* The spellings that people try first. */
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		argv[1] = "help";
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)
		argv[1] = "version";
	if (argv[1][0] == '-')
		return ctl_usage("the verb comes first, before '%s'", argv[1]);
	const struct ctl_verb *verb = find_verb(argc - 1, argv + 1, &used);
	if (!verb)
		return CTL_USAGE;
	return ctl_flush(run_verb(verb, argc - used, argv + used));
}
