/*
 * sshd_text.h - what `sshd -T` prints, judged by what config/sshd_config.d/50-carrel.conf asks for. Pure.
 */
#ifndef CARREL_CTL_SSHD_TEXT_H
#define CARREL_CTL_SSHD_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "doctor.h"

#define SSHD_DROP_IN \
	"put 50-carrel.conf into /etc/ssh/sshd_config.d, its Match line naming exactly the covered users"

/* Copy the value of a setting (lower case, as sshd prints it), the first of several; "" when it is not printed. Returns out. */
const char *sshd_value(const char *text, const char *name, char *out, size_t size);

/* A setting of which AcceptEnv lets in what acts on programs that sshd runs on the host: its pattern goes to `out`. */
bool sshd_accepts_too_much(const char *text, char *out, size_t size);

/* Whether a Subsystem is served by sshd itself. */
bool sshd_has_internal_sftp(const char *text);

struct sshd_setting {
	const char *name, *wanted;
	const char *option; /* as sshd_config(5) writes it */
	bool global;	    /* not allowed in a Match block: for everybody */
	enum doctor_result result;
	const char *why, *remedy;
};

/* Ends with a NULL name. */
extern const struct sshd_setting sshd_settings[];

#endif
