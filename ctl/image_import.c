/* image_import.c - `carrelctl image import NAME SOURCE`: a tar archive, or an OCI or Docker image, as a base image. */
#include <ctype.h>
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

/* As sha512sum(1) prints it, or in capitals. */
static int read_sha512(char hex[DIGEST_HEX_MAX], const char *given)
{
	if (strlen(given) != DIGEST_HEX_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < DIGEST_HEX_MAX; i++) {
		if (given[i] && !isxdigit((unsigned char)given[i]))
			return -EINVAL;
		hex[i] = (char)tolower((unsigned char)given[i]);
	}
	return 0;
}

int verb_image_import(const struct ctl_args *args)
{
	struct image_make make = { .name = args->words[0],
				   .from = args->words[1],
				   .want_sftp = !(args->options & CTL_NO_SFTP),
				   .fill = image_is_oci(args->words[1]) ? image_fill_oci : fill_from_file };

	char sha512[DIGEST_HEX_MAX];

	if (args->sha512) {
		if (read_sha512(sha512, args->sha512) < 0)
			return ctl_usage("'%s' is not a SHA-512 digest: 128 hexadecimal digits",
					 args->sha512);
		if (image_is_oci(make.from))
			return ctl_usage("'--sha512' is for an archive: an OCI or Docker image has its own "
					 "digests, which are checked");
		make.sha512 = sha512;
	}
	if (!image_name_valid(make.name))
		return ctl_usage("'%s' is not a name for an image: letters, digits, '.', '_' and '-'",
				 make.name);
	return image_make(&make);
}
