/* answer.c - see answer.h. */
#include "answer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/log.h"
#include "core/nss.h"
#include "core/text.h"
#include "core/wire.h"

/*
 * One datagram, with a descriptor when `fd` >= 0. Our end is closed after it: there is no second answer.
 */
static int send_answer(const char *text, int fd)
{
	int r = wire_send(WIRE_ANSWER_FD, text, strlen(text), &fd, fd >= 0);

	close(WIRE_ANSWER_FD);
	return r;
}

/*
 * The network namespace for sshd's monitor to join: what the per-user sshd process does on the network for a
 * forward then happens in the sandbox. -EBADF: not by this policy or on this host.
 */
static int network_to_join(const struct keeper *k)
{
	char path[64], source[32];

	if (k->policy.forwarding != FORWARDING_SANDBOX || k->policy.network == NETWORK_HOST)
		return -EBADF;
	if (!nss_is_local(source, sizeof(source))) {
		log_send("carrel-keeper", LOG_WARNING,
			 "session '%s': forwards of '%s' reach the host's network: nsswitch.conf names '%s', "
			 "which may need it",
			 k->record.id, k->user.name, source);
		return -EBADF;
	}
	/* init is our unreaped child: its pid is still its own. */
	snprintf(path, sizeof(path), "/proc/%d/ns/net", k->record.init);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int answer_ready(struct keeper *k, struct carrel_error *err)
{
	char text[64];

	snprintf(text, sizeof(text), "READY\n%s", k->record.id);
	_cleanup_close_ int network = network_to_join(k);
	if (network < 0 && network != -EBADF)
		return error_errno(err, "cannot open the sandbox's network namespace");
	int r = send_answer(text, network);
	return r < 0 ? error_set(err, -r, "the login did not wait for its sandbox: %s", strerror(-r)) : 0;
}

void answer_ignore(const char *why)
{
	char text[WIRE_ANSWER_MAX];

	snprintf(text, sizeof(text), "IGNORE\n%s", why);
	send_answer(text, -EBADF);
}

/*
 * Errors about the machine are for the administrator; the user is told enough to quote. EUSERS is the one that
 * a user causes and mends.
 */
void answer_refuse(const struct keeper *k, const struct carrel_error *err)
{
	char text[WIRE_ANSWER_MAX], safe[CARREL_ERROR_MAX];

	text_escape(safe, sizeof(safe), err->msg);
	if (err->code == EUSERS)
		snprintf(text, sizeof(text), "REFUSE\ncarrel: %s\n%s (session.max is %" PRIu64 ")", safe,
			 safe, k->policy.session.max);
	else if (!k->config || !k->policy.image)
		snprintf(text, sizeof(text),
			 "REFUSE\ncarrel: the configuration of this host is broken; tell your "
			 "administrator\n%s",
			 safe);
	else
		snprintf(text, sizeof(text), "REFUSE\ncarrel: your sandbox could not be started: %s\n%s",
			 safe, safe);
	send_answer(text, -EBADF);
}

int answer_gone(int r, const struct carrel_error *err)
{
	char text[WIRE_ANSWER_MAX], safe[CARREL_ERROR_MAX];

	text_escape(safe, sizeof(safe), err->msg);
	snprintf(text, sizeof(text), r < 0 ? "REFUSE\ncarrel: %s\n%s" : "GONE\n", safe, safe);
	send_answer(text, -EBADF);
	return r < 0;
}
