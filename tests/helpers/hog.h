/* hog.h - what the forms of hog.c have in common. */
#ifndef HOG_H
#define HOG_H

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#define MIB (1l << 20)

struct form {
	const char *name;
	long (*take)(void); /* a little more: bytes (or objects) taken, or -errno */
	bool counted;	    /* objects, not bytes */
	bool per_process;   /* ENOMEM may mean: no more in this process */
};

static const char *hog_form, *hog_dir = "/tmp";
static long hog_step;  /* how often take() has made something in this process */
static int hog_number; /* of this process, from 0 */
static char hog_data[65536];

static long fill_file(int fd)
{
	for (long done = 0; done < MIB; done += (long)sizeof(hog_data))
		if (write(fd, hog_data, sizeof(hog_data)) != (ssize_t)sizeof(hog_data))
			return -errno;
	return MIB;
}

#endif
