#include "forwarder/boot.h"

#include "forwarder/doubt.h"

#include <stdio.h>

uint64_t
boot_number(void)
{
	char id[64];
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t len;

	if (file == NULL)
		return 0;
	len = fread(id, 1, sizeof(id), file);
	(void)fclose(file);
	return len > 0 ? doubt_event(id, len) : 0;
}
