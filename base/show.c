#include "base/show.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

void
show_number(int64_t number, char *ret, size_t size)
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%" PRId64, number);
	size_t put = 0;

	for (int i = 0; i < len && put + 2 < size; i++) {
		int left = len - i;

		if (i > 0 && left % 3 == 0 && digits[i - 1] != '-')
			ret[put++] = ',';
		ret[put++] = digits[i];
	}
	ret[put] = '\0';
}

/* The second unit, unless it is zero. */
static void
duration_write(int64_t first, const char *unit, int64_t second,
    const char *second_unit, char *ret, size_t size)
{
	if (second == 0)
		(void)snprintf(ret, size, "%" PRId64 " %s", first, unit);
	else
		(void)snprintf(ret, size, "%" PRId64 " %s %" PRId64 " %s",
		    first, unit, second, second_unit);
}

void
show_duration(int64_t seconds, char *ret, size_t size)
{
	if (seconds >= 86400)
		duration_write(seconds / 86400, "d", seconds % 86400 / 3600,
		    "h", ret, size);
	else if (seconds >= 3600)
		duration_write(
		    seconds / 3600, "h", seconds % 3600 / 60, "min", ret, size);
	else if (seconds >= 600)
		duration_write(seconds / 60, "min", 0, "", ret, size);
	else if (seconds >= 60)
		duration_write(
		    seconds / 60, "min", seconds % 60, "s", ret, size);
	else
		duration_write(seconds, "s", 0, "", ret, size);
}
