/* guard.c - see guard.h. Run by the keeper, as root, on the host. */
#include "guard.h"

#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/fs.h"
#include "core/wire.h"
#include "notice.h"

/* A session at its limits may keep init waiting; one that does not answer for so long counts as idle. */
#define PATIENCE_MS 30000
#define WAITING_MAX 8

/* One keeper, one session. */
static struct {
	struct rules rules;
	struct activity activity; /* of the last answer */
	struct source *source; /* the socket to init while there is a question, and the next time to look */
	uint32_t question;     /* 0: none is open */
	int64_t asked;
	char reason[WIRE_TEXT_MAX];

	/* Those who want to know the status. */
	int waiting[WAITING_MAX];
	size_t waiting_count;
	int64_t answer_by; /* and till when they wait */
} guard;

const struct session_rules *guard_rules(void)
{
	return &guard.rules.set;
}

int64_t guard_age(void)
{
	return fs_now_ms() - guard.rules.started;
}

const char *guard_reason(void)
{
	return guard.reason;
}

/*
 * Ask init how long the session has been idle, unless an answer is still awaited. If the question cannot be sent, its number is one
 * that no answer has: it is then given up after PATIENCE_MS, as a question is that init does not answer.
 */
static void ask(struct keeper *k, int64_t now)
{
	if (guard.question)
		return;
	int64_t serial = notice_ask(k);
	guard.question = serial > 0 ? (uint32_t)serial : UINT32_MAX;
	guard.asked = now;
}

static void take_answer(struct keeper *k)
{
	struct activity activity;
	int r = notice_receive(k, guard.question, &activity);

	if (r < 0)
		guard.source->fd = -EBADF; /* init is gone; its pidfd says so too */
	if (r <= 0)
		return;
	int64_t now = fs_now_ms();
	guard.activity = activity;
	rules_learn(&guard.rules, now - activity.idle_ms, guard.asked);
	guard.question = 0;
}

static void send_status(struct keeper *k, int64_t now, bool fresh)
{
	const struct rules *r = &guard.rules;
	bool warned = r->warned_idle != RULES_NEVER || r->warned_lifetime != RULES_NEVER;
	struct session_status status = {
		.age = (uint64_t)(now - r->started),
		.idle = (uint64_t)(now - r->active),
		.connections = guard.activity.connections,
		.commands = guard.activity.commands,
		.terminals = guard.activity.terminals,
		.fresh = fresh,
		.idle_max = r->set.idle,
		.lifetime = r->set.lifetime,
		.warn = r->set.warn,
	};
	char text[CONTROL_MAX];

	snprintf(status.state, sizeof(status.state), "%s", warned ? "warned" : "open");
	ssize_t n = session_status_format(text, sizeof(text), &status);
	while (guard.waiting_count > 0) {
		int *fd = &guard.waiting[--guard.waiting_count];
		if (n > 0)
			(void)send(*fd, text, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
		close_fd(fd);
	}
}

/* Do what the rules say is due; *next is when to look again. `given_up`: there was no answer to a question. */
static enum ending follow_rules(struct keeper *k, int64_t now, bool given_up, int64_t *next)
{
	char text[WIRE_TEXT_MAX];
	enum rules_step step;

	while ((step = rules_next(&guard.rules, now, next)) != RULES_WAIT) {
		rules_explain(&guard.rules, step, now, text, sizeof(text));
		switch (step) {
		case RULES_ASK:
			if (!given_up) {
				ask(k, now);
				return ENDING_NONE;
			}
			rules_learn(&guard.rules, 0, now);
			continue;
		case RULES_WARN_IDLE:
		case RULES_WARN_LIFETIME:
			(void)notice_send(k, "%s", text); /* whoever cannot be told now is not looking */
			continue;
		default:
			snprintf(guard.reason, sizeof(guard.reason), "%s", text);
			return step == RULES_END_IDLE ? ENDING_IDLE : ENDING_LIFETIME;
		}
	}
	return ENDING_NONE;
}

/* Runs when init answers, when something is due, and when somebody asks. */
static enum ending look(struct keeper *k, struct source *self, short revents)
{
	if (revents)
		take_answer(k);
	int64_t now = fs_now_ms(), next;
	bool given_up = guard.question && now - guard.asked >= PATIENCE_MS;
	if (given_up)
		guard.question = 0;
	bool fresh = !guard.question && !given_up;
	if (guard.waiting_count && (fresh || now >= guard.answer_by))
		send_status(k, now, fresh);
	enum ending ending = follow_rules(k, now, given_up, &next);

	self->due = next;
	if (guard.question && guard.asked + PATIENCE_MS < self->due)
		self->due = guard.asked + PATIENCE_MS;
	if (guard.waiting_count && guard.answer_by < self->due)
		self->due = guard.answer_by;
	self->events = guard.question ? POLLIN : 0;
	return ending;
}

void guard_start(struct keeper *k)
{
	const struct source source = { .fd = -EBADF, .due = fs_now_ms(), .run = look };

	rules_start(&guard.rules, &k->policy.session, fs_now_ms());
	guard.source = supervise_add(k, &source);
	if (guard.source)
		guard.source->fd = k->sync_fd;
}

void guard_change(struct keeper *k, const struct session_rules *set)
{
	rules_change(&guard.rules, set, fs_now_ms());
	k->policy.session = *set;
	if (guard.source)
		guard.source->due = fs_now_ms();
}

void guard_status(struct keeper *k, int fd)
{
	int64_t now = fs_now_ms();

	if (guard.waiting_count == WAITING_MAX)
		send_status(k, now, false);
	if (!guard.waiting_count)
		guard.answer_by = now + SESSION_STATUS_MS;
	guard.waiting[guard.waiting_count++] = fd;
	ask(k, now);
	if (guard.source)
		guard.source->due = now;
}
