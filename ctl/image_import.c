/* image_import.c - `carrelctl image import NAME SOURCE`: a tar archive, or an OCI or Docker image, as a base image. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "ctl.h"
#include "image_make.h"

static int fill_from_file(struct image_make *make, struct carrel_error *err)
{
	const char *slash = strrchr(make->from, '/');
	_cleanup_close_ int fd = open(make->from, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0)
		return error_set(err, errno, "cannot open it: %s", strerror(errno));
	(void)snprintf(make->manifest.source, sizeof(make->manifest.source), "%s",
		       slash ? slash + 1 : make->from);
	return image_make_from_archive(make, fd, err);
}

int verb_image_import(const struct ctl_args *args)
{
	struct image_make make = { .name = args->words[0],
				   .from = args->words[1],
				   .want_sftp = !(args->options & CTL_NO_SFTP),
				   .fill = image_is_oci(args->words[1]) ? image_fill_oci : fill_from_file };

	if (!image_name_valid(make.name))
		return ctl_usage("'%s' is not a name for an image: letters, digits, '.', '_' and '-'",
				 make.name);
	return image_make(&make);
}
