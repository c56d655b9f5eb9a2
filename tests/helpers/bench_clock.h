/*
 * bench_clock.h - of the bench_* helpers: a clock, and how a series of times is reported.
 */
#ifndef BENCH_CLOCK_H
#define BENCH_CLOCK_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static inline int64_t bench_now(void) /* nanoseconds */
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline int bench_compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* "LABEL<tab>MEDIAN<tab>MIN<tab>P90", in microseconds. Sorts `times`. */
static inline void bench_report(const char *label, int64_t *times, size_t count)
{
	qsort(times, count, sizeof(*times), bench_compare);
	printf("%s\t%.0f\t%.0f\t%.0f\n", label, (double)times[(count - 1) / 2] / 1000,
	       (double)times[0] / 1000, (double)times[(count - 1) * 90 / 100] / 1000);
}

#endif
