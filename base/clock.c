#include "base/clock.h"

#include "base/err.h"

#include <stdio.h>
#include <time.h>

static int64_t
clock_us(clockid_t id)
{
	struct timespec now;

	CHECK(clock_gettime(id, &now) == 0);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_wall_ms(void)
{
	return clock_us(CLOCK_REALTIME) / 1000;
}

int64_t
clock_mono_us(void)
{
	return clock_us(CLOCK_MONOTONIC);
}

int64_t
clock_mono_ms(void)
{
	return clock_mono_us() / 1000;
}

struct clock_times
clock_times_now(void)
{
	return (struct clock_times){clock_mono_ms(), clock_wall_ms()};
}

void
clock_text(int64_t wall_ms, char *ret, size_t size)
{
	int64_t part = wall_ms % 1000;
	time_t seconds;
	struct tm tm;
	char day[24];

	if (part < 0)
		part += 1000;
	seconds = (time_t)((wall_ms - part) / 1000);
	if (gmtime_r(&seconds, &tm) == NULL ||
	    strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
		(void)snprintf(ret, size, "out-of-range");
		return;
	}
	(void)snprintf(ret, size, "%s.%03dZ", day, (int)part);
}

int64_t
clock_month(int64_t day)
{
	time_t seconds = (time_t)(day * 24 * 3600);
	struct tm tm;

	CHECK(gmtime_r(&seconds, &tm) != NULL);
	return day - (tm.tm_mday - 1);
}
