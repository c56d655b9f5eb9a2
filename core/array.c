/* array.c - see array.h. */
#include "array.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int array_append(void *items, size_t *count, const void *item, size_t size)
{
	char *list;

	memcpy(&list, items, sizeof(list));
	/* Full when there are none, or a power of two of them. */
	if ((*count & (*count - 1)) == 0) {
		char *more = reallocarray(list, *count ? *count * 2 : 1, size);
		if (!more)
			return -ENOMEM;
		list = more;
		memcpy(items, &list, sizeof(list));
	}
	memcpy(list + *count * size, item, size);
	++*count;
	return 0;
}
