/* check.c - `carrelctl check [FILE]`: every error of the policy, or that there is none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/config.h"
#include "core/config_summary.h"
#include "core/image.h"
#include "core/paths.h"
#include "ctl.h"

struct findings {
	unsigned errors;
	char last_image[IMAGE_NAME_MAX + 1]; /* one warning for the same name in a row is enough */
};

static void report(void *arg, const char *message)
{
	struct findings *findings = arg;

	findings->errors++;
	ctl_error("%s", message);
}

static int check_image(void *arg, const char *name, const struct origin *origin)
{
	struct findings *findings = arg;
	struct carrel_error err = { 0 };
	int fd = image_open(name, &err);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (fd == -EACCES || strcmp(findings->last_image, name) == 0)
		return 0; /* only root can look */
	(void)snprintf(findings->last_image, sizeof(findings->last_image), "%s", name);
	if (origin->file)
		ctl_warning("%s:%u: %s", origin->file, origin->line, err.msg);
	else
		ctl_warning("%s", err.msg);
	return 0;
}

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

int verb_check(const struct ctl_args *args)
{
	const char *file = args->count ? args->words[0] : CARREL_CONF;
	struct findings findings = { 0 };
	struct carrel_error err = { 0 };
	struct config *config = NULL;
	struct config_summary summary;

	int r = config_load(file, &config, report, &findings, &err);
	if (r < 0) {
		if (!findings.errors)
			ctl_fail(&err);
		return CTL_FAILED;
	}
	config_summarize(config, &summary);
	(void)config_each_string(config, "image", check_image, &findings);
	printf("%s: ok\n", file);
	printf("mode %s; covers %zu pattern%s, exempts %zu; %zu rule%s\n", summary.mode, summary.covers,
	       plural(summary.covers), summary.exempt, summary.rules, plural(summary.rules));
	config_free(config);
	return CTL_DONE;
}
