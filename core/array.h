/*
 * array.h - arrays that grow.
 */
#ifndef CARREL_ARRAY_H
#define CARREL_ARRAY_H

#include <stddef.h>

/*
 * Append a copy of *item, `size` bytes, to the `*count` items of an array. `items` is the address of its pointer (NULL when empty, to be freed
 * by free). There is room for as many as the next power of two, so the last ones may be taken off by counting less. 0 or -ENOMEM, and nothing
 * has changed.
 */
int array_append(void *items, size_t *count, const void *item, size_t size);

#endif
