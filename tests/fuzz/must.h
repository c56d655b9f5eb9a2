/*
 * must.h - what the targets share. Each is a function LLVMFuzzerTestOneInput, run by driver.c or libFuzzer.
 */
#ifndef CARREL_FUZZ_MUST_H
#define CARREL_FUZZ_MUST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A finding: the driver says which input it was. */
#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The bytes as a string, in an allocation of just its size. */
static inline char *text_of(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	MUST(text);
	if (size)
		memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

#endif
