/* image_text.c - the pure part of image.h: names in archives, and what an image calls itself. */
#include <errno.h>
#include <string.h>

#include "image.h"
#include "text.h"

bool image_name_valid(const char *name)
{
	return text_is_name(name, IMAGE_NAME_MAX);
}

/* Append one component. */
static int append(char *clean, size_t size, const char *component, size_t length)
{
	size_t used = strlen(clean);

	if (length > IMAGE_COMPONENT_MAX || used + length + 2 > size)
		return -ENAMETOOLONG;
	if (used)
		clean[used++] = '/';
	memcpy(clean + used, component, length);
	clean[used + length] = '\0';
	return 0;
}

int image_entry_path(const char *path, char *clean, size_t size)
{
	unsigned depth = 0;

	clean[0] = '\0';
	if (*path == '/')
		return -EXDEV;
	while (*path) {
		size_t length = strcspn(path, "/");
		if (length == 2 && strncmp(path, "..", 2) == 0)
			return -EXDEV;
		if (length && !(length == 1 && *path == '.')) {
			int r = append(clean, size, path, length);
			if (r < 0)
				return r;
			if (++depth > IMAGE_DEPTH_MAX)
				return -ENAMETOOLONG;
		}
		path += length;
		path += *path == '/';
	}
	return 0;
}

/* The value of one line of os-release(5), which has the shell's quotes. */
static void unquote(const char *value, size_t length, char *out, size_t size)
{
	char quote = length && (*value == '"' || *value == '\'') ? *value : '\0';
	size_t used = 0;

	for (size_t i = quote ? 1 : 0; i < length && used + 1 < size; i++) {
		if (quote && value[i] == quote)
			break;
		if (quote != '\'' && value[i] == '\\' && i + 1 < length)
			i++;
		out[used++] = value[i];
	}
	out[used] = '\0';
}

void image_os_name(const char *os_release, char *out, size_t size)
{
	static const char key[] = "PRETTY_NAME=";

	out[0] = '\0';
	while (*os_release) {
		size_t length = strcspn(os_release, "\n");
		if (length >= strlen(key) && strncmp(os_release, key, strlen(key)) == 0)
			unquote(os_release + strlen(key), length - strlen(key), out, size);
		os_release += length;
		os_release += *os_release == '\n';
	}
}
