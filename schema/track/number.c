/*
 * How a number is sent. Heap reads every number as a double.
 *
 * A number that is written as an integer, with neither fraction nor exponent,
 * is sent as it is up to 2^53. Beyond that a double would change its digits,
 * and such a number is more likely an id than an amount: it is sent as text.
 *
 * Every other number is an amount. It is sent as the shortest decimal that
 * reads back as the same double, however it was written: 1.50 and 15e-1 as
 * 1.5, 1e3 as 1000, -0.0 as 0. A value that no double holds is sent as text.
 *
 * printf() and strtod() use the locale's decimal point, so digits pass through
 * them as an integer and an exponent.
 */
#include "schema/track/map.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	NUMBER_DIGITS = 17, /* enough for every double */

	/* Numbers with more digits before the point, or more zeros after it,
	 * get an exponent. */
	NUMBER_WHOLE_MAX = 16,
	NUMBER_ZEROS_MAX = 5,
};

/* digits times ten to the power */
struct number_decimal {
	uint64_t digits;
	long power;
};

/* The exponent after e or E; far beyond any limit if it is huge. */
static long
number_exponent(const char *at, const char *end)
{
	bool negative = at < end && *at == '-';
	long exponent = 0;

	if (at < end && (*at == '-' || *at == '+'))
		at++;
	for (; at < end; at++) {
		if (exponent < 100000000)
			exponent = exponent * 10 + (*at - '0');
	}
	return negative ? -exponent : exponent;
}

/* The double nearest to an unsigned literal of at most TRACK_VALUE_MAX bytes.
 * False if there is none. */
static bool
number_read(struct str literal, double *ret_value)
{
	const char *at = literal.data, *end = literal.data + literal.len;
	char text[TRACK_VALUE_MAX + 16];
	bool fraction = false, zero = true;
	long power = 0;
	size_t len = 0;
	double value;

	CHECK(literal.len <= TRACK_VALUE_MAX);
	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			fraction = true;
			continue;
		}
		text[len++] = *at;
		zero = zero && *at == '0';
		power -= fraction;
	}
	if (at < end)
		power += number_exponent(at + 1, end);
	(void)snprintf(text + len, sizeof(text) - len, "e%ld", power);
	value = strtod(text, NULL);
	if (value > DBL_MAX || (value == 0 && !zero))
		return false;
	*ret_value = value;
	return true;
}

static bool
number_reads_back(struct number_decimal decimal, double value)
{
	char text[48];

	(void)snprintf(text, sizeof(text), "%" PRIu64 "e%ld", decimal.digits,
	    decimal.power);
	return strtod(text, NULL) == value;
}

/* The value rounded to so many digits. */
static struct number_decimal
number_round(double value, int count)
{
	struct number_decimal decimal = {0, 0};
	char text[48];
	const char *at;

	(void)snprintf(text, sizeof(text), "%.*e", count - 1, value);
	for (at = text; *at != 'e'; at++) {
		if (*at >= '0' && *at <= '9')
			decimal.digits =
			    decimal.digits * 10 + (uint64_t)(*at - '0');
	}
	decimal.power = strtol(at + 1, NULL, 10) - (count - 1);
	return decimal;
}

/* The shortest decimal that reads back as this value above 0. */
static struct number_decimal
number_shortest(double value)
{
	/* Two decimals of up to DBL_DIG digits are never the same double, so
	 * of these one at most reads back; but subnormal ones keep less. */
	int count = value < DBL_MIN ? 1 : DBL_DIG;
	struct number_decimal decimal = number_round(value, count);

	while (!number_reads_back(decimal, value)) {
		/* Above a power of two doubles are twice as far apart as below:
		 * the next decimal can read back where the nearest does not. */
		decimal.digits++;
		if (number_reads_back(decimal, value))
			break;
		CHECK(count < NUMBER_DIGITS);
		decimal = number_round(value, ++count);
	}
	while (decimal.digits % 10 == 0) {
		decimal.digits /= 10;
		decimal.power++;
	}
	return decimal;
}

static void
number_write(
    const char *sign, struct number_decimal decimal, char ret[TRACK_NUMBER])
{
	char digits[24];
	int count =
	    snprintf(digits, sizeof(digits), "%" PRIu64, decimal.digits);
	int whole = count + (int)decimal.power; /* digits before the point */

	if (whole > NUMBER_WHOLE_MAX || whole < -NUMBER_ZEROS_MAX)
		(void)snprintf(ret, TRACK_NUMBER, "%s%c%s%se%+d", sign,
		    digits[0], count > 1 ? "." : "", digits + 1, whole - 1);
	else if (whole <= 0)
		(void)snprintf(ret, TRACK_NUMBER, "%s0.%.*s%s", sign, -whole,
		    "00000", digits);
	else if (whole >= count)
		(void)snprintf(ret, TRACK_NUMBER, "%s%s%.*s", sign, digits,
		    whole - count, "0000000000000000");
	else
		(void)snprintf(ret, TRACK_NUMBER, "%s%.*s.%s", sign, whole,
		    digits, digits + whole);
}

/* Is an unsigned integer at most 2^53? */
static bool
number_within(struct str integer)
{
	static const struct str most = STR("9007199254740992");

	return integer.len < most.len ||
	       (integer.len == most.len &&
		   memcmp(integer.data, most.data, most.len) <= 0);
}

const char *
track_number_read(
    struct str literal, char room[TRACK_NUMBER], struct str *ret_number)
{
	bool negative = literal.len > 0 && literal.data[0] == '-';
	struct str rest =
	    str_bytes(literal.data + negative, literal.len - negative);
	bool integer = true;
	double value;

	for (size_t i = 0; i < rest.len; i++)
		integer = integer && rest.data[i] >= '0' && rest.data[i] <= '9';
	if (integer) {
		*ret_number = str_equal_text(rest, "0") ? rest : literal;
		return number_within(rest) ? NULL : "an integer beyond 2^53";
	}
	if (!number_read(rest, &value))
		return "beyond the range of a double";
	if (value == 0)
		(void)snprintf(room, TRACK_NUMBER, "0");
	else
		number_write(negative ? "-" : "", number_shortest(value), room);
	*ret_number = str_equal_text(literal, room) ? literal : str_text(room);
	return NULL;
}
