/*
 * init_report.c - tell a carrel-shell how its command ended. Run by init.
 *
 * A command that was killed for memory, or that could not fork, often ends at once, and carrel-shell with it: before the keeper has
 * heard of the fault, and so before it could say why. So the keeper is asked to look first, after every command: an exit status of 0 does
 * not mean that nothing was killed, since that of a pipeline is its last command's. Only the carrel-shell of this command waits for
 * the keeper, at most REPORT_MS; init goes on serving the others.
 */
#include <sys/wait.h>

#include "ask.h"
#include "core/fs.h"
#include "init_serve.h"

static void say_end(struct server *s, size_t index)
{
	struct connection *c = &s->list[index];

	(void)init_send(c->fd, &c->last, sizeof(c->last));
	s->cut_off = false;
	connection_drop(s, index);
}

void report_end(struct server *s, pid_t pid, int status)
{
	for (size_t i = 0; i < s->count; i++) {
		struct connection *c = &s->list[i];
		if (c->pid != pid || c->ended)
			continue;
		c->ended = true;
		c->last = (struct wire_message){ .kind = WIRE_EXITED, .value = WEXITSTATUS(status) };
		if (WIFSIGNALED(status)) {
			c->last.kind = WIRE_SIGNALED;
			c->last.value = WTERMSIG(status);
		}
		c->look = ++s->looks;
		c->last_by = fs_now_ms() + REPORT_MS;
		if (ask_look(s->k, c->look) < 0)
			say_end(s, i);
		return;
	}
}

void report_told(struct server *s, uint32_t look)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->list[i].ended && s->list[i].look == look)
			s->list[i].last_by = 0;
}

void report_overdue(struct server *s)
{
	int64_t now = fs_now_ms();

	for (size_t i = s->count; i-- > 0;)
		if (s->list[i].ended && now >= s->list[i].last_by)
			say_end(s, i);
}
