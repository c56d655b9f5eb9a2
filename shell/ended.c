/* ended.c - see ended.h. Runs in carrel-shell, as the user, on the host. */
#include "shell/ended.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/fs.h"
#include "core/paths.h"
#include "core/session.h"
#include "core/text.h"

/* A keeper that is busy with a dying sandbox; one that was killed is not waited for. */
#define WAIT_MS 15000
#define STEP_MS 5

static int file = -EBADF;

void ended_open(const char *id)
{
	char path[64];

	if (text_format(path, sizeof(path), CARREL_SESSIONS "/%s/" SESSION_ENDED, id) == 0)
		file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

/* The keeper has it locked as long as it lives. */
static bool may_still_be_said(void)
{
	struct stat st;

	return file >= 0 && fstat(file, &st) == 0 && st.st_size == 0 && st.st_nlink > 0 &&
	       flock(file, LOCK_SH | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* The keeper writes it before it removes it, and a file that is removed can still be read. */
const char *ended_reason(char *text, size_t size, const char *otherwise)
{
	int64_t deadline = fs_now_ms() + WAIT_MS;

	while (may_still_be_said() && fs_now_ms() < deadline)
		(void)poll(NULL, 0, STEP_MS);
	ssize_t n = file < 0 ? -1 : pread(file, text, size - 1, 0);
	if (n <= 0)
		return otherwise;
	text[n] = '\0';
	return text;
}
