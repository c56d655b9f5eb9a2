/* doctor_pam.c - whether sshd's sessions come to pam_carrel.so: see doctor.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/paths.h"
#include "core/text.h"
#include "doctor.h"
#include "pam_stack.h"

#define SERVICE "sshd"
#define LINE	"'session required pam_carrel.so' as the last line of /etc/pam.d/" SERVICE

/* As libpam looks for it: the administrator's, else the distribution's. */
static ssize_t read_service(const char *name, char *text, size_t size)
{
	static const char *const dirs[] = { "/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d" };
	char path[256];
	ssize_t n = -ENOENT;

	if (name[0] == '/')
		return fs_read_at(AT_FDCWD, name, text, size);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && n == -ENOENT; i++) {
		if (text_format(path, sizeof(path), "%s/%s", dirs[i], name) < 0)
			return -ENAMETOOLONG;
		int fd = open(path, O_RDONLY | O_NONBLOCK |
					    O_CLOEXEC); /* may be a link, as authselect makes them */
		n = fd < 0 ? -errno : fs_read_fd(fd, text, size);
		if (fd >= 0)
			close(fd);
	}
	return n;
}

static const struct pam_files files = { read_service };

static void check_module(struct doctor *d, const struct pam_place *place)
{
	char path[256];

	if (text_format(path, sizeof(path), "%s%s", place->module[0] == '/' ? "" : CARREL_PAMDIR "/",
			place->module) == 0 &&
	    access(path, R_OK) < 0)
		doctor_note(d, DOCTOR_PROBLEM, "install Carrel anew, with PAMDIR where libpam looks",
			    "'%s' is not there: nobody can log in", path);
	if (*place->wrong)
		doctor_note(d, DOCTOR_PROBLEM, "take it out, or correct it: see pam_carrel(8)",
			    "pam_carrel.so knows no argument '%s': nobody is sandboxed, and whoever has "
			    "carrel-shell is refused",
			    place->wrong);
	else if (*place->conf && strcmp(place->conf, CARREL_CONF) != 0)
		doctor_note(d, DOCTOR_WARNING, "", "the line has conf=%s, which is not looked at here",
			    place->conf);
}

static void check_control(struct doctor *d, const char *control)
{
	if (strcmp(control, "required") == 0 || strcmp(control, "requisite") == 0)
		return;
	doctor_note(d, control[0] == '[' ? DOCTOR_WARNING : DOCTOR_PROBLEM, LINE,
		    "pam_carrel.so is '%s': sshd may go on when there is no sandbox", control);
}

void doctor_pam(struct doctor *d)
{
	struct pam_place place;
	size_t before = d->count;

	int r = pam_find_place(&files, SERVICE, &place);
	if (r < 0) {
		doctor_note(d, DOCTOR_PROBLEM, LINE, "cannot read '/etc/pam.d/" SERVICE "': %s",
			    strerror(-r));
		return;
	}
	if (!place.found) {
		doctor_note(d, DOCTOR_PROBLEM, LINE,
			    "pam_carrel.so is no session module of '" SERVICE
			    "': there are no sandboxes, and carrel-shell refuses everybody");
		return;
	}
	check_control(d, place.control);
	if (*place.ends)
		doctor_note(d, DOCTOR_PROBLEM, LINE ", and no 'sufficient' session module before it",
			    "the success of %s, which stands before pam_carrel.so, ends the stack",
			    place.ends);
	if (*place.after)
		doctor_note(
			d, DOCTOR_WARNING, LINE,
			"%s comes after pam_carrel.so: what it does is not yet done when the sandbox is made",
			place.after);
	if (*place.exposed && d->anybody.forwarding == FORWARDING_SANDBOX &&
	    d->anybody.network != NETWORK_HOST)
		doctor_note(d, DOCTOR_WARNING,
			    "'session optional pam_carrel.so leave' as the first session line of "
			    "/etc/pam.d/" SERVICE,
			    "%s comes before pam_carrel.so: when a session ends it runs as root in the "
			    "network of the sandbox",
			    place.exposed);
	check_module(d, &place);
	if (d->count == before)
		doctor_ok(d, "pam_carrel.so is the last session module of '" SERVICE "'");
}

struct search {
	const char *module, *argument;
	bool found;
};

static void look_for(void *arg, const struct pam_line *line)
{
	struct search *search = arg;

	if (strcmp(pam_module_name(line), search->module) == 0 &&
	    (!search->argument || pam_has_argument(line, search->argument)))
		search->found = true;
}

bool doctor_pam_runs(const char *service, const char *module, const char *argument)
{
	struct search search = { module, argument, false };

	(void)pam_stack_walk(&files, service, look_for, &search);
	return search.found;
}
