/* self_service_text.c - see self_service.h: a line of the file. Pure. */
#include <string.h>

#include "core/change.h"
#include "core/text.h"
#include "self_service.h"

bool self_service_parse(const char *line, struct self_service_request *request)
{
	static const char snapshot[] = "snapshot ";

	*request = (struct self_service_request){ 0 };
	if (strcmp(line, "reset") == 0 || strcmp(line, "reset --keep-home") == 0) {
		request->reset = true;
		request->keep_home = line[5] != '\0';
		return true;
	}
	if (strncmp(line, snapshot, strlen(snapshot)) != 0 || !snapshot_name_valid(line + strlen(snapshot)))
		return false;
	return text_format(request->name, sizeof(request->name), "%s", line + strlen(snapshot)) == 0;
}
