/*
 * fuzz_text.c - any bytes as what the pure parsers of text read: the kernel's log, `sshd -T`, a PAM service, Alpine's index and
 * digests, a user's request, values with units, what `carrelctl set` wrote, and paths and os-release of an image.
 *
 * The first byte says which, the rest is the text. What they return is bounded, and sound as far as the header of each says.
 */
#include "must.h"

#include "core/change.h"
#include "core/cleanup.h"
#include "core/image.h"
#include "core/override.h"
#include "core/session.h"
#include "core/text.h"
#include "core/units.h"
#include "ctl/alpine.h"
#include "ctl/pam_stack.h"
#include "ctl/sshd_text.h"
#include "keeper/kmsg.h"
#include "keeper/self_service.h"

/* A record of one line; the kernel adds lines about the device of a record to some, but not to those of the OOM killer. */
static void kernel_log(char *text)
{
	struct kmsg_victim victim;

	text[strcspn(text, "\n")] = '\0';
	memset(&victim, 'x', sizeof(victim));
	if (kmsg_parse(text, "carrel/1001/1001-0123abcd", 100000, &victim) != KMSG_OTHER)
		MUST(memchr(victim.name, '\0', sizeof(victim.name)) && victim.above >= KMSG_UNKNOWN);
}

static void sshd(const char *text)
{
	char value[40];

	for (const struct sshd_setting *s = sshd_settings; s->name; s++)
		MUST(!strchr(sshd_value(text, s->name, value, sizeof(value)), '\n'));
	if (sshd_accepts_too_much(text, value, sizeof(value)))
		MUST(!strchr(value, '\n'));
	sshd_has_internal_sftp(text);
}

/* The service is the text; what it includes is one line. */
static const char *pam_text;

static ssize_t read_pam(const char *name, char *text, size_t size)
{
	const char *content = strcmp(name, "sshd") == 0 ? pam_text : "session sufficient pam_ldap.so\n";
	size_t length = strnlen(content, size - 1);

	memcpy(text, content, length);
	text[length] = '\0';
	return (ssize_t)length;
}

static void pam(const char *text)
{
	static const struct pam_files files = { .read = read_pam };
	struct pam_place place;

	pam_text = text;
	MUST(pam_find_place(&files, "sshd", &place) == 0);
	MUST(!place.found || strstr(place.module, "pam_carrel"));
}

static void alpine(const char *text)
{
	struct alpine_release release = { 0 };
	struct carrel_error err = { 0 };
	char branch[ALPINE_VERSION_MAX], exact[ALPINE_VERSION_MAX], sum[DIGEST_HEX_MAX];
	int r = alpine_find(text, "x86_64", &release, &err);

	MUST(r == 0 ? text_is_name(release.version, sizeof(release.version)) && strlen(release.sha512) == 128
		    : err.code == -r && err.msg[0]);
	if (alpine_branch(text, branch, exact) == 0)
		MUST(text_is_name(branch, sizeof(branch)));
	if (alpine_read_sum(text, "alpine-minirootfs-3.20.3-x86_64.tar.gz", sum) == 0)
		MUST(strlen(sum) == 128);
}

static void request(const char *text)
{
	struct self_service_request wanted;

	if (self_service_parse(text, &wanted))
		MUST(wanted.reset ? !wanted.name[0] : snapshot_name_valid(wanted.name));
	if (session_id_valid(text))
		MUST(strlen(text) < SESSION_ID_MAX && session_id_uid(text) != (uid_t)-1);
}

static void units(const char *text)
{
	uint64_t value, again;
	char words[32];

	if (unit_parse_size(text, &value) == 0 && value != UNIT_NONE)
		MUST(unit_parse_size(unit_format_size(words, sizeof(words), value), &again) == 0 &&
		     again == value);
	if (unit_parse_time(text, &value) == 0 && value != UNIT_NONE && value % 1000 == 0)
		MUST(unit_parse_time(unit_format_time(words, sizeof(words), value), &again) == 0 &&
		     again == value);
	if (unit_parse_cpus(text, &value) == 0 && value != UNIT_NONE)
		MUST(value >= 10 &&
		     unit_parse_cpus(unit_format_cpus(words, sizeof(words), value), &again) == 0 &&
		     again == value);
}

/* "NAME=VALUE", as a line of overrides. */
static void override(char *text)
{
	struct policy policy = { 0 };
	struct carrel_error err = { 0 };
	char *value = strchr(text, '=');

	if (!value)
		return;
	*value++ = '\0';
	int r = override_set(&policy, text, value, &err);
	MUST(r >= 0 || (err.code == -r && err.msg[0]));
}

static void image(const char *text)
{
	char clean[64], name[24];

	if (image_entry_path(text, clean, sizeof(clean)) == 0)
		MUST(clean[0] != '/' && strcmp(clean, "..") != 0 && strncmp(clean, "../", 3) != 0 &&
		     !strstr(clean, "/../"));
	memset(name, 'x', sizeof(name));
	image_os_name(text, name, sizeof(name));
	MUST(memchr(name, '\0', sizeof(name)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	char *text = text_of(data + 1, size - 1);
	switch (data[0]) {
	case 'k':
		kernel_log(text);
		break;
	case 's':
		sshd(text);
		break;
	case 'p':
		pam(text);
		break;
	case 'a':
		alpine(text);
		break;
	case 'r':
		request(text);
		break;
	case 'u':
		units(text);
		break;
	case 'o':
		override(text);
		break;
	case 'i':
		image(text);
		break;
	default:
		break;
	}
	free(text);
	return 0;
}
