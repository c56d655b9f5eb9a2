/* ended.c - see ended.h. Runs in carrel-shell, as the user, on the host. */
#include "shell/ended.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/text.h"

#define WAIT_MS 1000 /* a keeper that was killed says nothing and removes nothing */
#define STEP_MS 5

static int file = -EBADF;

void ended_open(const char *id)
{
	char path[64];

	if (text_format(path, sizeof(path), CARREL_SESSIONS "/%s/" SESSION_ENDED, id) == 0)
		file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* The keeper writes it before it removes it, and a file that is removed can still be read. */
const char *ended_reason(char *text, size_t size, const char *otherwise)
{
	int64_t deadline = fs_now_ms() + WAIT_MS;
	struct stat st;

	while (file >= 0 && fstat(file, &st) == 0 && st.st_size == 0 && st.st_nlink > 0 &&
	       fs_now_ms() < deadline)
		(void)poll(NULL, 0, STEP_MS);
	ssize_t n = file < 0 ? -1 : pread(file, text, size - 1, 0);
	if (n <= 0)
		return otherwise;
	text[n] = '\0';
	return text;
}
