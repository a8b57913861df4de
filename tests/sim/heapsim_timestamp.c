/* Reads the one form of ISO 8601 that a sender of ours has reason to use. */

#include "tests/sim/heapsim_event.h"

#include <string.h>

/* Exactly so many digits, and a value within the bounds. */
static bool
take_number(const char **at, size_t digits, int min, int max, int *ret_number)
{
	int number = 0;

	for (; digits > 0; digits--, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		number = number * 10 + (**at - '0');
	}
	*ret_number = number;
	return number >= min && number <= max;
}

static bool
take_char(const char **at, const char *one_of)
{
	if (**at == '"' || strchr(one_of, **at) == NULL)
		return false;
	(*at)++;
	return true;
}

/* A date that does not exist is a fault in somebody's arithmetic. */
static int
days_in(int year, int month)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (month == 2 && year % 4 == 0 && (year % 100 != 0 || year % 400 == 0))
		return 29;
	return days[month - 1];
}

/*
 * YYYY-MM-DDThh:mm:ss, a fraction or none, and a zone; a day that exists.
 * The value ends with a quote, so reading never runs over its end.
 */
bool
heapsim_is_timestamp(const struct sim_json *value)
{
	const char *at = value->at + 1;
	const char *end = value->at + value->len - 1;
	int year, month, day, hour, minute, second;

	if (!take_number(&at, 4, 0, 9999, &year) || !take_char(&at, "-") ||
	    !take_number(&at, 2, 1, 12, &month) || !take_char(&at, "-") ||
	    !take_number(&at, 2, 1, days_in(year, month), &day) ||
	    !take_char(&at, "T") || !take_number(&at, 2, 0, 23, &hour) ||
	    !take_char(&at, ":") || !take_number(&at, 2, 0, 59, &minute) ||
	    !take_char(&at, ":") || !take_number(&at, 2, 0, 59, &second))
		return false;
	if (take_char(&at, ".")) {
		if (strspn(at, "0123456789") == 0)
			return false;
		at += strspn(at, "0123456789");
	}
	if (take_char(&at, "Z"))
		return at == end;
	return take_char(&at, "+-") && take_number(&at, 2, 0, 14, &hour) &&
	       take_char(&at, ":") && take_number(&at, 2, 0, 59, &minute) &&
	       at == end;
}
