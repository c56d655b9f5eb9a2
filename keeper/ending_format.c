/* ending_format.c - the line of ending.h, as text. Pure. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ending.h"

static const char *const words[] = {
	[ENDING_NONE] = "-",
	[ENDING_LOGOUT] = "logout",
	[ENDING_CUT_OFF] = "disconnected",
	[ENDING_OPENER] = "opener-died",
	[ENDING_ADMIN] = "administrator",
	[ENDING_SIGNAL] = "signal",
	[ENDING_IDLE] = "idle",
	[ENDING_LIFETIME] = "lifetime",
	[ENDING_INIT] = "init-died",
	[ENDING_MEMORY] = "out-of-memory",
	[ENDING_KEEPER] = "keeper-killed",
};

/* A value that is one word: text_escape, and what would end the word is escaped as well. "-" when there is none. */
static const char *word_of(char *out, size_t size, const char *in)
{
	size_t o = 0;

	for (; *in && o + 5 <= size; in++) {
		if (*in > ' ' && *in <= '~' && !strchr("=\"\\", *in))
			out[o++] = *in;
		else
			o += (size_t)snprintf(out + o, size - o, "\\x%02x", (unsigned char)*in);
	}
	out[o] = '\0';
	return o ? out : "-";
}

static const char *number_of(char *out, size_t size, uint64_t value)
{
	if (value == UNIT_NONE)
		return "-";
	snprintf(out, size, "%" PRIu64, value);
	return out;
}

static const char *seconds_of(char *out, size_t size, uint64_t milliseconds)
{
	snprintf(out, size, "%" PRIu64 ".%03u", milliseconds / 1000, (unsigned)(milliseconds % 1000));
	return out;
}

void ending_format(char *buf, size_t size, const struct session_record *record, enum ending ending,
		   int64_t duration_ms, const struct usage *usage)
{
	char user[256], id[64], from[256], service[128], duration[32], cpu[32], memory[24], pids[24],
		read[24], written[24];

	snprintf(buf, size,
		 "session ended: user=%s id=%s from=%s service=%s how=%s duration=%s cpu=%s memory_peak=%s "
		 "pids_peak=%s read=%s written=%s",
		 word_of(user, sizeof(user), record->user), word_of(id, sizeof(id), record->id),
		 word_of(from, sizeof(from), *record->rhost ? record->rhost : record->tty),
		 word_of(service, sizeof(service), record->service), words[ending],
		 duration_ms < 0 ? "-" : seconds_of(duration, sizeof(duration), (uint64_t)duration_ms),
		 usage->cpu_us == UNIT_NONE ? "-" : seconds_of(cpu, sizeof(cpu), usage->cpu_us / 1000),
		 number_of(memory, sizeof(memory), usage->memory_peak),
		 number_of(pids, sizeof(pids), usage->pids_peak),
		 number_of(read, sizeof(read), usage->read_bytes),
		 number_of(written, sizeof(written), usage->written_bytes));
}
