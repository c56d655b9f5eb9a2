/* faults_text.c - the words for a fault: see faults.h. Pure. */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "faults.h"
#include "text.h"
#include "units.h"

/* " for all your sessions" and the like: whose limit it is, when it is not the session's own. */
static const char *whose(const struct fault *fault, char *buf, size_t size)
{
	char safe[sizeof(fault->group)];

	if (strcmp(fault->level, FAULT_USER) == 0)
		return " for all your sessions";
	if (strcmp(fault->level, FAULT_GROUP) != 0)
		return "";
	snprintf(buf, size, " of the group '%s'", text_escape(safe, sizeof(safe), fault->group));
	return buf;
}

/* "'dd' was killed" */
static void describe_killed(const struct fault *fault, char *buf, size_t size)
{
	char safe[sizeof(fault->process)];
	uint64_t more = fault->count - 1;

	text_escape(safe, sizeof(safe), fault->process);
	if (!*safe && more)
		snprintf(buf, size, "%" PRIu64 " processes were killed", fault->count);
	else if (!*safe)
		snprintf(buf, size, "a process was killed");
	else if (more)
		snprintf(buf, size, "'%s' and %" PRIu64 " more process%s were killed", safe, more,
			 more == 1 ? "" : "es");
	else
		snprintf(buf, size, "'%s' was killed", safe);
}

static void describe_memory(const struct fault *fault, char *buf, size_t size)
{
	char killed[160], limit[32], of[96];
	bool known = fault->limit != UNIT_NONE;

	describe_killed(fault, killed, sizeof(killed));
	unit_format_size(limit, sizeof(limit), fault->limit);
	if (strcmp(fault->level, FAULT_HOST) == 0)
		snprintf(buf, size, "the host is out of memory, %s", killed);
	else
		snprintf(buf, size, "memory limit%s%s%s reached, %s", known ? " of " : "", known ? limit : "",
			 whose(fault, of, sizeof(of)), killed);
}

/* What is not counted in bytes: "limit of 256 processes reached", "limit of processes reached" when it is not known. */
static void describe_number(const struct fault *fault, const char *what, char *buf, size_t size)
{
	char of[96], times[48] = "", limit[24] = "";

	if (fault->count > 1)
		snprintf(times, sizeof(times), " (%" PRIu64 " times)", fault->count);
	if (fault->limit != UNIT_NONE)
		snprintf(limit, sizeof(limit), "%" PRIu64 " ", fault->limit);
	if (strcmp(fault->level, FAULT_HOST) == 0)
		snprintf(buf, size, "the host allows no more %s%s", what, times);
	else
		snprintf(buf, size, "limit of %s%s%s reached%s", limit, what, whose(fault, of, sizeof(of)),
			 times);
}

/* Disk space and files are the user's; of the session's own they are only in an ephemeral root filesystem, which is in memory. */
static void describe_disk(const struct fault *fault, char *buf, size_t size)
{
	bool bytes = strcmp(fault->kind, FAULT_DISK) == 0, known = fault->limit != UNIT_NONE;
	char limit[32];

	if (strcmp(fault->level, FAULT_HOST) == 0) {
		snprintf(buf, size,
			 bytes ? "the disk of the host is full"
			       : "the disk of the host has no room for more files");
		return;
	}
	if (bytes && known)
		unit_format_size(limit, sizeof(limit), fault->limit);
	else if (known)
		snprintf(limit, sizeof(limit), "%" PRIu64 " files", fault->limit);
	else
		snprintf(limit, sizeof(limit), "%s", bytes ? "disk space" : "files");
	snprintf(buf, size, "%s of %s reached%s", bytes && known ? "disk limit" : "limit", limit,
		 strcmp(fault->level, FAULT_SESSION) == 0 ? " in the session's memory" : "");
}

char *fault_describe(const struct fault *fault, char *buf, size_t size)
{
	if (strcmp(fault->kind, FAULT_MEMORY) == 0)
		describe_memory(fault, buf, size);
	else if (strcmp(fault->kind, FAULT_PIDS) == 0)
		describe_number(fault, "processes", buf, size);
	else
		describe_disk(fault, buf, size);
	return buf;
}
