/*
 * init_notice.c - what the keeper has to say to the users of a session, and what it wants to know of them. Run by init.
 *
 * The other end of a connection may be stopped, or have a client that takes nothing: nobody is waited for.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/fs.h"
#include "init_serve.h"
#include "notice.h"

/* A carrel-shell that has not read so much gets no more, so that there is room for the last message. */
#define UNREAD_MAX (16 * 1024)
/* One that does not say how long it has been idle is idle since it last said so. */
#define ANSWER_MS 1000

static bool tell(const struct connection *c, uint32_t kind, const char *text)
{
	struct wire_message message = { .kind = kind };
	int unread = 0;

	if (kind != WIRE_ENDED && (ioctl(c->fd, SIOCOUTQ, &unread) < 0 || unread > UNREAD_MAX))
		return false;
	snprintf(message.text, sizeof(message.text), "%s", text);
	return init_send(c->fd, &message, sizeof(message)) == 0;
}

static void tell_all(const struct server *s, uint32_t kind, const char *text)
{
	for (size_t i = 0; i < s->count; i++) {
		if (s->list[i].pid)
			tell(&s->list[i], kind, text);
	}
}

static void reply(const struct server *s, uint32_t serial, const struct activity *activity)
{
	const struct notice_message answer = {
		.kind = NOTICE_ANSWER,
		.serial = serial,
		.activity = *activity,
	};

	(void)send(s->sync_fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * How long the session has been idle. Of a command on a terminal carrel-shell knows, since it copies what is typed and shown. One
 * without a terminal holds sshd's own descriptors, so nobody sees whether it reads or writes: it counts as active as long as it runs.
 */
static struct activity describe(const struct server *s)
{
	int64_t now = fs_now_ms(), last = s->changed;
	struct activity a = { .connections = (uint32_t)s->count, .cut_off = s->cut_off };

	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = &s->list[i];
		int64_t active = c->terminal ? c->active : now;
		if (!c->pid)
			continue;
		a.commands++;
		a.terminals += c->terminal;
		last = active > last ? active : last;
	}
	a.idle_ms = now > last ? now - last : 0;
	return a;
}

void notice_idle(struct connection *c, int32_t milliseconds)
{
	int64_t active = fs_now_ms() - (milliseconds > 0 ? milliseconds : 0);

	c->asked = false;
	if (active > c->active)
		c->active = active;
}

void notice_answer(struct server *s)
{
	if (!s->question)
		return;
	for (size_t i = 0; i < s->count; i++) {
		const struct connection *c = &s->list[i];
		bool awaited = s->ending ? c->pid != 0 : c->asked;
		if (awaited && fs_now_ms() < s->answer_by)
			return;
	}
	const struct activity activity = describe(s);
	reply(s, s->question, &activity);
	s->question = 0;
}

static void open_question(struct server *s, uint32_t serial, bool ending)
{
	s->question = serial;
	s->ending = ending;
	s->answer_by = fs_now_ms() + ANSWER_MS;
}

static void ask(struct server *s, uint32_t serial)
{
	open_question(s, serial, false);
	for (size_t i = 0; i < s->count; i++) {
		struct connection *c = &s->list[i];
		c->asked = c->pid && c->terminal && tell(c, WIRE_ASK, "");
	}
	notice_answer(s);
}

bool notice_take(struct server *s)
{
	struct activity activity;
	struct notice_message message;
	ssize_t n = recv(s->sync_fd, &message, sizeof(message), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n != (ssize_t)sizeof(message))
		return false;
	message.text[sizeof(message.text) - 1] = '\0';
	switch (message.kind) {
	case NOTICE_SHOW:
		tell_all(s, WIRE_NOTICE, message.text);
		return true;
	case NOTICE_END:
		/* A carrel-shell that has shown it exits. After our end its standard error may have no reader any more. */
		open_question(s, message.serial, true);
		tell_all(s, WIRE_ENDED, message.text);
		notice_answer(s);
		return true;
	case NOTICE_COUNT:
		activity = describe(s);
		reply(s, message.serial, &activity);
		return true;
	case NOTICE_TOLD:
		report_told(s, message.serial);
		return true;
	case NOTICE_ASK:
		ask(s, message.serial);
		return true;
	default:
		return false;
	}
}
