/*
 * subid.h - who is given which ids of the host: subuid(5), subgid(5).
 *
 * A user's own range is asked of libsubid, which also knows the source that nsswitch.conf names. What others have can be asked of
 * no such source, only of the files.
 */
#ifndef CARREL_SUBID_H
#define CARREL_SUBID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "error.h"

#define SUBID_UIDS     "/etc/subuid"
#define SUBID_GIDS     "/etc/subgid"
#define SUBID_FILE_MAX (4 * 1024 * 1024)
#define SUBID_IDS      UINT64_C(0x100000000) /* of the host */

struct subid_range {
	uint64_t first, end; /* the first that is not in it any more */
	char owner[40];	     /* as in the file; printable */
};

/* Starts as all 0. To be freed: ranges. */
struct subid_list {
	struct subid_range *ranges;
	size_t count;
};

/* The first range of at least 65536 uids and gids of the user. False: they do not have both, or there is no libsubid. */
bool subid_own(const char *name, uint32_t *uid_base, uint32_t *gid_base);

/* Add what `text` of such a file, which is changed, gives to anybody but this user. Other lines are nobody's. Pure. 0 or -ENOMEM. */
int subid_parse_others(char *text, uid_t uid, const char *name, struct subid_list *list);

/* The same of a file; a missing one is empty. 0 or -errno. */
int subid_read_others(const char *path, uid_t uid, const char *name, struct subid_list *list,
		      struct carrel_error *err);

/* One of them that has an id of the block at `base` in it (borrowed), or NULL. */
const struct subid_range *subid_find(const struct subid_list *list, uint32_t base);

#endif
