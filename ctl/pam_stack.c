/* pam_stack.c - see pam_stack.h. */
#include "pam_stack.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/module_arguments.h"
#include "core/text.h"

#define DEPTH_MAX 8
#define FILE_MAX  (64 * 1024)
#define MODULE	  "pam_carrel.so"

struct walk {
	const struct pam_files *files;
	void (*visit)(void *arg, const struct pam_line *line);
	void *arg;
};

static int walk_file(const struct walk *walk, const char *name, unsigned depth, bool in_substack);

/* The first word of *at, ended by a NUL, with *at after it; "[a b]" is one. NULL: there is none. */
static char *take_word(char **at)
{
	char *word = *at + strspn(*at, " \t");
	size_t length = *word == '[' ? strcspn(word, "]") : strcspn(word, " \t");

	if (!*word)
		return NULL;
	if (*word == '[' && word[length])
		length++;
	*at = word + length;
	if (**at)
		*(*at)++ = '\0';
	return word;
}

static void walk_line(const struct walk *walk, char *text, unsigned depth, bool in_substack)
{
	struct pam_line line = { .in_substack = in_substack };

	text[strcspn(text, "#")] = '\0';
	const char *type = take_word(&text);
	if (!type)
		return;
	bool include = strcmp(type, "@include") == 0;
	type += *type == '-';
	if (!include && strcmp(type, "session") != 0)
		return;
	line.control = include ? "include" : take_word(&text);
	line.module = take_word(&text);
	if (!line.control || !line.module)
		return;
	bool substack = strcmp(line.control, "substack") == 0;
	if (include || substack || strcmp(line.control, "include") == 0) {
		(void)walk_file(walk, line.module, depth + 1, in_substack || substack);
		return;
	}
	line.arguments = text + strspn(text, " \t");
	walk->visit(walk->arg, &line);
}

static void join_continued_lines(char *text)
{
	for (char *at = strstr(text, "\\\n"); at; at = strstr(at, "\\\n"))
		at[0] = at[1] = ' ';
}

static int walk_file(const struct walk *walk, const char *name, unsigned depth, bool in_substack)
{
	char *lines = NULL;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	_cleanup_free_ char *text = calloc(1, FILE_MAX);
	if (!text)
		return -ENOMEM;
	ssize_t n = walk->files->read(name, text, FILE_MAX);
	if (n < 0)
		return (int)n;
	join_continued_lines(text);
	for (char *line = strtok_r(text, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines))
		walk_line(walk, line, depth, in_substack);
	return 0;
}

int pam_stack_walk(const struct pam_files *files, const char *service,
		   void (*visit)(void *arg, const struct pam_line *line), void *arg)
{
	const struct walk walk = { files, visit, arg };

	return walk_file(&walk, service, 0, false);
}

bool pam_has_argument(const struct pam_line *line, const char *word)
{
	size_t length = strlen(word);

	for (const char *at = line->arguments; *at; at += strcspn(at, " \t"), at += strspn(at, " \t"))
		if (strcspn(at, " \t") == length && strncmp(at, word, length) == 0)
			return true;
	return false;
}

const char *pam_module_name(const struct pam_line *line)
{
	const char *slash = strrchr(line->module, '/');

	return slash ? slash + 1 : line->module;
}

/* --- the place of pam_carrel.so --- */

/* Whether success ends the stack; within a substack it ends only that. */
static bool ends_stack(const struct pam_line *line)
{
	return !line->in_substack && (strcmp(line->control, "sufficient") == 0 ||
				      (line->control[0] == '[' && strstr(line->control, "=done")));
}

/* Those that are known to use the network when a session is closed, or to run what may. */
static bool uses_network(const char *module)
{
	static const char *const modules[] = {
		"pam_exec.so",	      "pam_script.so",	"pam_mount.so",	      "pam_krb5.so",
		"pam_afs_session.so", "pam_tacplus.so", "pam_radius_auth.so", "pam_python.so",
		"pam_python3.so",     "pam_lua.so",
	};

	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (strcmp(module, modules[i]) == 0)
			return true;
	return false;
}

static void look_at_other(struct pam_place *place, const struct pam_line *line, const char *name)
{
	if (place->found && !*place->after)
		(void)snprintf(place->after, sizeof(place->after), "%s", name);
	if (!place->found && !*place->ends && ends_stack(line))
		(void)snprintf(place->ends, sizeof(place->ends), "%s", name);
	if (!place->found && !place->leaves && !*place->exposed && uses_network(name))
		(void)snprintf(place->exposed, sizeof(place->exposed), "%s", name);
}

/* libpam takes the brackets off an argument that has blanks in it. */
static void check_arguments(struct pam_place *place, const char *arguments)
{
	struct module_arguments ignored = MODULE_ARGUMENTS_DEFAULT;
	char text[PATH_MAX], *at = text, *word;

	if (text_format(text, sizeof(text), "%s", arguments) < 0)
		return; /* nobody writes that */
	while (!*place->wrong && (word = take_word(&at))) {
		size_t length = strlen(word);
		if (*word == '[' && word[length - 1] == ']') {
			word[length - 1] = '\0';
			word++;
		}
		if (!module_argument_read(&ignored, word))
			(void)snprintf(place->wrong, sizeof(place->wrong), "%s", word);
	}
}

static void look_at(void *arg, const struct pam_line *line)
{
	struct pam_place *place = arg;
	const char *name = pam_module_name(line), *conf = strstr(line->arguments, "conf=");

	if (strcmp(name, MODULE) != 0) {
		look_at_other(place, line, name);
		return;
	}
	if (place->found)
		return;
	if (pam_has_argument(line, "leave")) {
		place->leaves = true;
		return;
	}
	place->found = true;
	(void)snprintf(place->control, sizeof(place->control), "%s", line->control);
	(void)snprintf(place->module, sizeof(place->module), "%s", line->module);
	if (conf)
		(void)snprintf(place->conf, sizeof(place->conf), "%.*s", (int)strcspn(conf + 5, " \t"),
			       conf + 5);
	check_arguments(place, line->arguments);
}

int pam_find_place(const struct pam_files *files, const char *service, struct pam_place *place)
{
	*place = (struct pam_place){ 0 };
	return pam_stack_walk(files, service, look_at, place);
}
