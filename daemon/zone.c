#include "daemon/zone.h"

#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ZONE_DIR "/usr/share/zoneinfo/"

enum {
	ZONE_NAME_MAX = 100,
	ZONE_FILE_MAX = 64 * 1024, /* the largest have 4 KiB */
	ZONE_HEADER = 44,
	ZONE_DAY = 24 * 3600,
	ZONE_LAST_YEAR = 2200, /* what is said by rule is written out until
				* then; later times are as at its end */
};

/* From then on, so many seconds are to be added to UTC. */
struct zone_change {
	int64_t at_s;
	int64_t offset_s;
};

struct zone {
	int64_t offset_s;	     /* before the first change */
	struct zone_change *changes; /* ascending; owned */
	size_t count;
};

int64_t
zone_day(const struct zone *zone, int64_t time_s)
{
	size_t low = 0, high = zone->count;
	int64_t local;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (zone->changes[middle].at_s <= time_s)
			low = middle + 1;
		else
			high = middle;
	}
	local = time_s +
		(low == 0 ? zone->offset_s : zone->changes[low - 1].offset_s);
	return local >= 0 ? local / ZONE_DAY
			  : -((ZONE_DAY - 1 - local) / ZONE_DAY);
}

void
zone_free(struct zone *zone)
{
	if (zone == NULL)
		return;
	free(zone->changes);
	free(zone);
}

static void
zone_add(struct zone *zone, int64_t at_s, int64_t offset_s)
{
	if (zone->count > 0 && zone->changes[zone->count - 1].at_s >= at_s)
		return;
	zone->changes[zone->count++] = (struct zone_change){at_s, offset_s};
}

/* ---- the rule at the end of the file: CET-1CEST,M3.5.0,M10.5.0/3 ---- */

/* When summer time begins or ends, in each year. */
struct zone_rule {
	char kind; /* 'M': the weekday of a week of a month; 'J': a day from 1,
		    * February 29 is none; 'N': a day from 0 */
	int64_t month, week, day;
	int64_t time_s;
};

static bool
rule_number(const char **at, int64_t most, int64_t *ret)
{
	int64_t number = 0;

	if (**at < '0' || **at > '9')
		return false;
	for (; **at >= '0' && **at <= '9'; ++*at) {
		number = number * 10 + (**at - '0');
		if (number > most)
			return false;
	}
	*ret = number;
	return true;
}

/* Hours, and minutes and seconds if they are there. */
static bool
rule_time(const char **at, int64_t *ret_s)
{
	int64_t sign = **at == '-' ? -1 : 1, seconds = 0, part;

	*at += **at == '-' || **at == '+';
	for (int64_t unit = 3600; unit > 0; unit /= 60) {
		if (!rule_number(at, unit == 3600 ? 167 : 59, &part))
			return false;
		seconds += part * unit;
		if (**at != ':')
			break;
		++*at;
	}
	*ret_s = sign * seconds;
	return true;
}

/* The name of a time: letters, or anything in angle brackets. */
static bool
rule_name(const char **at)
{
	const char *start = *at;

	if (**at == '<') {
		*at = strchr(*at, '>');
		if (*at == NULL)
			return false;
		++*at;
		return true;
	}
	while ((**at >= 'A' && **at <= 'Z') || (**at >= 'a' && **at <= 'z'))
		++*at;
	return *at > start;
}

static bool
rule_read(const char **at, struct zone_rule *ret)
{
	*ret = (struct zone_rule){.kind = 'N', .time_s = 2 * 3600};
	if (*(*at)++ != ',')
		return false;
	if (**at == 'M' || **at == 'J')
		ret->kind = *(*at)++;
	if (ret->kind == 'M') {
		if (!rule_number(at, 12, &ret->month) || *(*at)++ != '.' ||
		    !rule_number(at, 5, &ret->week) || *(*at)++ != '.' ||
		    !rule_number(at, 6, &ret->day) || ret->month == 0 ||
		    ret->week == 0)
			return false;
	} else if (!rule_number(at, 365, &ret->day) ||
		   (ret->kind == 'J' && ret->day == 0)) {
		return false;
	}
	if (**at != '/')
		return true;
	++*at;
	return rule_time(at, &ret->time_s);
}

static bool
year_is_leap(int64_t year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The day since 1970-01-01 on which a month begins. */
static int64_t
year_month(int64_t year, int64_t month)
{
	static const int64_t before[] = {
	    0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	int64_t last = year - 1;

	return (year - 1970) * 365 + last / 4 - last / 100 + last / 400 - 477 +
	       before[month - 1] + (month > 2 && year_is_leap(year));
}

static int64_t
rule_day(const struct zone_rule *rule, int64_t year)
{
	int64_t first, day;

	if (rule->kind == 'J')
		return year_month(year, 1) + rule->day - 1 +
		       (rule->day >= 60 && year_is_leap(year));
	if (rule->kind == 'N')
		return year_month(year, 1) + rule->day;
	first = year_month(year, rule->month);
	/* 1970-01-01 was a Thursday, and 0 is a Sunday. */
	day = first + (rule->day - (first + 4) % 7 + 7) % 7 +
	      (rule->week - 1) * 7;
	return day < year_month(year, rule->month + 1) ? day : day - 7;
}

/* Write out what the rule says of the years that follow the last change. */
static bool
zone_rule_add(struct zone *zone, const char *at)
{
	int64_t from =
	    zone->count > 0 ? zone->changes[zone->count - 1].at_s : 0;
	int64_t standard_s, summer_s;
	struct zone_rule begin, end;

	if (*at == '\0')
		return true;
	/* The sign says what is to be added to get UTC. */
	if (!rule_name(&at) || !rule_time(&at, &standard_s))
		return false;
	standard_s = -standard_s;
	if (*at == '\0') {
		if (zone->count == 0)
			zone->offset_s = standard_s;
		return true;
	}
	if (!rule_name(&at))
		return false;
	summer_s = standard_s + 3600;
	if (*at != ',') {
		if (!rule_time(&at, &summer_s))
			return false;
		summer_s = -summer_s;
	}
	if (!rule_read(&at, &begin) || !rule_read(&at, &end) || *at != '\0')
		return false;
	for (int64_t year = from < 0 ? 1970
				     : 1970 + from / (366 * (int64_t)ZONE_DAY);
	     year < ZONE_LAST_YEAR; year++) {
		int64_t summer = rule_day(&begin, year) * ZONE_DAY +
				 begin.time_s - standard_s;
		int64_t winter =
		    rule_day(&end, year) * ZONE_DAY + end.time_s - summer_s;

		if (summer < winter) {
			zone_add(zone, summer, summer_s);
			zone_add(zone, winter, standard_s);
		} else {
			zone_add(zone, winter, standard_s);
			zone_add(zone, summer, summer_s);
		}
	}
	return true;
}

/* ---- the file ---- */

struct zone_reader {
	const unsigned char *at, *end;
};

/* A signed number, big endian. */
static int64_t
file_number(const unsigned char *at, size_t bytes)
{
	uint64_t number = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;

	for (size_t i = 0; i < bytes; i++)
		number = number << 8 | at[i];
	return (int64_t)number;
}

/* The counts of a header. */
struct zone_header {
	size_t utc, standard, leap, changes, types, letters;
};

static bool
header_read(struct zone_reader *reader, struct zone_header *ret)
{
	size_t *const counts[] = {&ret->utc, &ret->standard, &ret->leap,
	    &ret->changes, &ret->types, &ret->letters};

	if (reader->end - reader->at < ZONE_HEADER ||
	    memcmp(reader->at, "TZif", 4) != 0 || reader->at[4] < '2')
		return false;
	for (size_t i = 0; i < 6; i++) {
		int64_t count = file_number(reader->at + 20 + 4 * i, 4);

		if (count < 0 || count > ZONE_FILE_MAX)
			return false;
		*counts[i] = (size_t)count;
	}
	reader->at += ZONE_HEADER;
	return true;
}

/* The bytes of what follows a header whose times have so many. */
static size_t
header_bytes(const struct zone_header *header, size_t time)
{
	return header->changes * (time + 1) + header->types * 6 +
	       header->letters + header->leap * (time + 4) + header->standard +
	       header->utc;
}

static bool
zone_changes_read(struct zone *zone, const unsigned char *at,
    const struct zone_header *header)
{
	const unsigned char *types = at + header->changes * 8;
	const unsigned char *offsets = types + header->changes;

	zone->offset_s = file_number(offsets, 4);
	for (size_t i = 0; i < header->changes; i++) {
		if (types[i] >= header->types)
			return false;
		zone_add(zone, file_number(at + i * 8, 8),
		    file_number(offsets + types[i] * 6, 4));
	}
	return true;
}

/* Its first part is for programs that know only 32 bits. */
static bool
zone_read(struct zone *zone, struct str file, struct err *reterr)
{
	struct zone_reader reader = {
	    .at = (const unsigned char *)file.data,
	    .end = (const unsigned char *)file.data + file.len,
	};
	struct zone_header header;
	const char *rule;
	char *line_end;
	bool ok = false;

	if (header_read(&reader, &header) &&
	    header_bytes(&header, 4) < (size_t)(reader.end - reader.at)) {
		reader.at += header_bytes(&header, 4);
		ok = header_read(&reader, &header) && header.types > 0 &&
		     header_bytes(&header, 8) + 2 <=
			 (size_t)(reader.end - reader.at);
	}
	if (!ok)
		return err_set(reterr, ERR_CONFIG, "it is not a time zone");
	zone->changes = calloc(header.changes + 2 * (ZONE_LAST_YEAR - 1970) + 1,
	    sizeof(*zone->changes));
	if (zone->changes == NULL)
		return err_set_nomem(reterr);
	rule = (const char *)reader.at + header_bytes(&header, 8);
	line_end = rule[0] == '\n'
		       ? memchr(rule + 1, '\n',
			     (size_t)(file.data + file.len - rule - 1))
		       : NULL;
	if (line_end == NULL || !zone_changes_read(zone, reader.at, &header))
		return err_set(reterr, ERR_CONFIG, "it is not a time zone");
	*line_end = '\0';
	return zone_rule_add(zone, rule + 1) ||
	       err_set(reterr, ERR_CONFIG, "it is not a time zone");
}

static bool
zone_name_valid(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len <= ZONE_NAME_MAX && name[0] != '/' &&
	       strstr(name, "..") == NULL &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				 "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/")] ==
		   '\0';
}

static bool
zone_load(struct zone *zone, const char *name, struct err *reterr)
{
	char path[sizeof(ZONE_DIR) + ZONE_NAME_MAX], bytes[ZONE_FILE_MAX];
	FILE *file;
	size_t len;
	bool failed;

	(void)snprintf(path, sizeof(path), "%s%s", ZONE_DIR, name);
	file = fopen(path, "re");
	if (file == NULL)
		return err_set(
		    reterr, ERR_CONFIG, "%s: %s", path, strerror(errno));
	len = fread(bytes, 1, sizeof(bytes), file);
	failed = ferror(file) != 0;
	(void)fclose(file);
	if (failed)
		return err_set(reterr, ERR_CONFIG, "%s cannot be read", path);
	return zone_read(zone, str_bytes(bytes, len), reterr);
}

bool
zone_open(const char *name, struct zone **ret_zone, struct err *reterr)
{
	struct zone *zone = calloc(1, sizeof(*zone));
	struct err err;

	if (zone == NULL)
		return err_set_nomem(reterr);
	*ret_zone = zone;
	if (strcmp(name, "UTC") == 0)
		return true;
	if (!zone_name_valid(name))
		(void)err_set(&err, ERR_CONFIG, "it is not the name of one");
	else if (zone_load(zone, name, &err))
		return true;
	zone_free(zone);
	*ret_zone = NULL;
	if (err.code != ERR_CONFIG)
		return err_set(reterr, err.code, "%s", err.text);
	return err_set(reterr, ERR_CONFIG,
	    "no such time zone (%s): use a name such as Europe/Berlin, as "
	    "`timedatectl list-timezones` lists them; they come with the "
	    "package tzdata",
	    err.text);
}
