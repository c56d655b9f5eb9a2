/*
 * driver.c - runs a target (LLVMFuzzerTestOneInput, as libFuzzer calls it) on files and on what becomes of them.
 *
 *	fuzz_NAME [-n RUNS] [-s SEED] [-d DICTIONARY] FILE|DIRECTORY...
 *
 * First every file as it is, then RUNS inputs: a file, or an earlier input that reached code which none before it did, with
 * bits flipped, bytes set, pieces copied, cut out or taken from another, whole lines likewise, and words of the dictionary put
 * in. The same seed, files and program give the same inputs. An input on which the target dies is left in ./fuzz-crash.
 *
 * Which code was reached is told by gcc (-fsanitize-coverage=trace-pc), for what is compiled so: the targets and what they
 * test, and not this file.
 */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"

#define INPUT_MAX  8192
#define INPUTS_MAX 8192
#define WORDS_MAX  256
#define CRASH_FILE "fuzz-crash"

struct bytes {
	uint8_t *data;
	size_t size;
};

/* One of each in a program: what its parts call has no argument to hand it over by. */
static struct {
	struct bytes inputs[INPUTS_MAX], words[WORDS_MAX];
	size_t input_count, word_count;
	uint64_t seed, random;
	uint64_t run; /* the one that goes on; 0: a file as it is */
	uint8_t now[INPUT_MAX];
	size_t size;
	uint8_t reached[1 << 16];
	uintptr_t before;
	size_t fresh; /* pairs of places that no input had reached one after the other */
} fuzz;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void __sanitizer_cov_trace_pc(void);
void __sanitizer_set_death_callback(void (*callback)(void));
const char *__asan_default_options(void);

/* abort() is how a target says that something is wrong: it shall end as a sanitizer's finding does. */
const char *__asan_default_options(void)
{
	return "handle_abort=1:allocator_may_return_null=1";
}

void __sanitizer_cov_trace_pc(void)
{
	uintptr_t here = (uintptr_t)__builtin_return_address(0);
	uint8_t *pair = &fuzz.reached[(here ^ (fuzz.before << 3)) % sizeof(fuzz.reached)];

	fuzz.fresh += !*pair;
	*pair = 1;
	fuzz.before = here;
}

static void die(const char *what, const char *name)
{
	perror(what);
	fprintf(stderr, "fuzz: stopped at '%s'\n", name);
	exit(2);
}

static void died(void)
{
	int fd = open(CRASH_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	bool saved = fd >= 0 && write(fd, fuzz.now, fuzz.size) == (ssize_t)fuzz.size;

	fprintf(stderr, "fuzz: died at input %ju of seed %ju, %zu bytes%s\n", (uintmax_t)fuzz.run,
		(uintmax_t)fuzz.seed, fuzz.size, saved ? ", which are in ./" CRASH_FILE : "");
}

/* xorshift64*: the same on every machine, unlike rand(3). Below `limit`, which is not 0. */
static size_t below(size_t limit)
{
	fuzz.random ^= fuzz.random >> 12;
	fuzz.random ^= fuzz.random << 25;
	fuzz.random ^= fuzz.random >> 27;
	return (size_t)((fuzz.random * 2685821657736338717u) >> 32) % limit;
}

static void keep(struct bytes *list, size_t *count, size_t max, const void *data, size_t size)
{
	struct bytes *to = &list[*count];

	if (*count == max || !(to->data = malloc(size + 1)))
		return;
	memcpy(to->data, data, size);
	to->size = size;
	++*count;
}

/* Replace `gone` bytes at `at` by `size` of `data`, which is not in fuzz.now. What does not fit is cut off. */
static void put_in(size_t at, size_t gone, const uint8_t *data, size_t size)
{
	size_t rest = fuzz.size - at - gone;

	size = size < INPUT_MAX - at ? size : INPUT_MAX - at;
	rest = rest < INPUT_MAX - at - size ? rest : INPUT_MAX - at - size;
	memmove(fuzz.now + at + size, fuzz.now + at + gone, rest);
	memcpy(fuzz.now + at, data, size);
	fuzz.size = at + size + rest;
}

/* The size of a piece of an input, and where it is: short more often than long. */
static size_t piece(const struct bytes *from, size_t *at)
{
	size_t longest;

	*at = below(from->size + 1);
	longest = from->size - *at;
	if (below(4))
		longest = longest < 16 ? longest : 16;
	return below(longest + 1);
}

/* Where the line begins that has the byte at `at`, or ends with it. */
static size_t line_start(const uint8_t *data, size_t at)
{
	while (at && data[at - 1] != '\n')
		at--;
	return at;
}

static size_t line_length(const struct bytes *from, size_t at)
{
	const uint8_t *end = at < from->size ? memchr(from->data + at, '\n', from->size - at) : NULL;

	return end ? (size_t)(end - from->data) + 1 - at : from->size - at;
}

/* A line of any input in front of one of this, or in its place. */
static void mutate_lines(void)
{
	const struct bytes *other = &fuzz.inputs[below(fuzz.input_count)], now = { fuzz.now, fuzz.size };
	size_t from = line_start(other->data, below(other->size + 1));
	size_t at = line_start(fuzz.now, below(fuzz.size + 1));

	put_in(at, below(2) ? line_length(&now, at) : 0, other->data + from, line_length(other, from));
}

static bool is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A word of the dictionary in front of what is there, or in place of a word. */
static void mutate_words(size_t at)
{
	const struct bytes *word = &fuzz.words[below(fuzz.word_count)];
	size_t gone = 0;

	if (below(2)) {
		while (at && is_word(fuzz.now[at - 1]))
			at--;
		while (at + gone < fuzz.size && is_word(fuzz.now[at + gone]))
			gone++;
	}
	put_in(at, gone, word->data, word->size);
}

static void mutate_bytes(size_t at)
{
	static const uint8_t special[] = { 0,	1,   ' ', '\t', '\n', '\r', '"', '\\', '=', ',',
					   ';', '/', '.', '-',	'0',  '9',  127, 128,  255 };
	struct bytes now = { fuzz.now, fuzz.size };
	const struct bytes *other = &fuzz.inputs[below(fuzz.input_count)];
	size_t from, size, choice = below(6);
	uint8_t copy[INPUT_MAX];

	if (choice == 0 && at < fuzz.size) {
		fuzz.now[at] ^= (uint8_t)(1u << below(8));
	} else if (choice == 1 && at < fuzz.size) {
		fuzz.now[at] = special[below(sizeof(special))];
	} else if (choice == 2) {
		put_in(at, 0, &special[below(sizeof(special))], 1);
	} else if (choice == 3) {
		size = piece(&now, &at);
		put_in(at, size, special, 0);
	} else if (choice == 4) {
		size = piece(&now, &from);
		memcpy(copy, fuzz.now + from, size);
		put_in(at, 0, copy, size);
	} else {
		size = piece(other, &from);
		put_in(at, below(2) ? below(fuzz.size - at + 1) : 0, other->data + from, size);
	}
}

static void mutate(void)
{
	size_t at = below(fuzz.size + 1), choice = below(4);

	if (choice == 0)
		mutate_lines();
	else if (choice == 1 && fuzz.word_count)
		mutate_words(at);
	else
		mutate_bytes(at);
}

/* True: it reached what none before it did. */
static bool run(void)
{
	uint8_t *exact = malloc(fuzz.size ? fuzz.size : 1); /* so that a byte read past its end is seen */

	if (!exact)
		die("malloc", "an input");
	memcpy(exact, fuzz.now, fuzz.size);
	fuzz.fresh = 0;
	fuzz.before = 0;
	LLVMFuzzerTestOneInput(exact, fuzz.size);
	free(exact);
	return fuzz.fresh > 0;
}

static void add_path(const char *path)
{
	char inside[PATH_MAX];
	struct stat st;
	struct dirent **entries;

	if (stat(path, &st) < 0)
		die("stat", path);
	if (S_ISDIR(st.st_mode)) {
		int n = scandir(path, &entries, NULL, alphasort); /* the order is part of what a seed means */
		for (int i = 0; i < n; i++) {
			snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
			if (entries[i]->d_name[0] != '.' && stat(inside, &st) == 0 && S_ISREG(st.st_mode))
				add_path(inside);
			free(entries[i]);
		}
		free(entries);
		return;
	}
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, fuzz.now, sizeof(fuzz.now));
	if (n < 0)
		die("read", path);
	fuzz.size = (size_t)n;
	run();
	keep(fuzz.inputs, &fuzz.input_count, INPUTS_MAX, fuzz.now, fuzz.size);
}

/* A line of libFuzzer's: "word", with \\, \" and \xHH in it; or a comment. */
static void add_word(const char *line)
{
	uint8_t word[256];
	size_t size = 0;

	for (line += *line == '"'; *line && *line != '"' && *line != '\n' && size < sizeof(word); line++) {
		int high = strncmp(line, "\\x", 2) == 0 ? text_hex_digit(line[2]) : -1;
		int low = high < 0 ? -1 : text_hex_digit(line[3]);
		if (low >= 0) {
			word[size++] = (uint8_t)(high * 16 + low);
			line += 3;
			continue;
		}
		line += line[0] == '\\' && line[1];
		word[size++] = (uint8_t)*line;
	}
	if (size)
		keep(fuzz.words, &fuzz.word_count, WORDS_MAX, word, size);
}

static void read_words(const char *path)
{
	char line[300];
	FILE *f = fopen(path, "re");

	if (!f)
		die("open", path);
	while (fgets(line, sizeof(line), f))
		if (*line == '"')
			add_word(line);
	(void)fclose(f);
}

int main(int argc, char **argv)
{
	uint64_t runs = 20000;
	int option;

	fuzz.seed = 1;
	while ((option = getopt(argc, argv, "n:s:d:")) != -1) {
		if (option == 'n')
			runs = strtoull(optarg, NULL, 10);
		else if (option == 's')
			fuzz.seed = strtoull(optarg, NULL, 10);
		else if (option == 'd')
			read_words(optarg);
		else
			return 2;
	}
	fuzz.random = fuzz.seed * 2 + 1; /* never 0 */
	__sanitizer_set_death_callback(died);
	for (int i = optind; i < argc; i++)
		add_path(argv[i]);
	size_t files = fuzz.input_count;
	if (!files) {
		fprintf(stderr, "usage: %s [-n RUNS] [-s SEED] [-d DICTIONARY] FILE|DIRECTORY...\n", argv[0]);
		return 2;
	}
	for (fuzz.run = 1; fuzz.run <= runs; fuzz.run++) {
		const struct bytes *from = &fuzz.inputs[below(fuzz.input_count)];
		memcpy(fuzz.now, from->data, from->size);
		fuzz.size = from->size;
		for (size_t i = 0, n = 1 + below(2) * below(5); i < n; i++)
			mutate();
		if (run())
			keep(fuzz.inputs, &fuzz.input_count, INPUTS_MAX, fuzz.now, fuzz.size);
	}
	printf("%ju inputs from seed %ju and %zu files, %zu of which reached something new\n",
	       (uintmax_t)runs, (uintmax_t)fuzz.seed, files, fuzz.input_count - files);
	for (size_t i = 0; i < fuzz.input_count; i++)
		free(fuzz.inputs[i].data);
	for (size_t i = 0; i < fuzz.word_count; i++)
		free(fuzz.words[i].data);
	return 0;
}
