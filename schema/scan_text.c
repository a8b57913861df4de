/*
 * What a scanned string or number means: the slow half of the lexer, for the
 * few values whose content matters.
 */

#include "schema/scan.h"

#include "base/utf8.h"

/* The UTF-16 unit of the four digits, which were checked by the scan. */
static uint32_t
scan_unit(const char *digits)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t c = (unsigned char)digits[i];

		unit = unit << 4 | (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	return unit;
}

/*
 * Decode the \uXXXX at raw (and its partner); returns the bytes read.
 * A surrogate without its partner is no character: it becomes U+FFFD.
 */
static size_t
scan_decode_unit(const char *raw, const char *end, char *ret, size_t *ret_len)
{
	uint32_t unit = scan_unit(raw + 2), low;

	if (unit >= 0xd800 && unit < 0xdc00 && end - raw >= 12 &&
	    raw[6] == '\\' && raw[7] == 'u') {
		low = scan_unit(raw + 8);
		if (low >= 0xdc00 && low < 0xe000) {
			unit =
			    0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
			*ret_len = utf8_encode(ret, unit);
			return 12;
		}
	}
	if (unit >= 0xd800 && unit < 0xe000)
		unit = 0xfffd;
	*ret_len = utf8_encode(ret, unit);
	return 6;
}

static char
scan_decode_short(char c)
{
	switch (c) {
	case 'b':
		return '\b';
	case 'f':
		return '\f';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	}
	return c;
}

size_t
scan_decode(const char *raw, size_t len, char *ret)
{
	const char *end = raw + len, *slash;
	size_t out = 0, plain, wrote;

	while (raw < end) {
		slash = memchr(raw, '\\', (size_t)(end - raw));
		plain = (size_t)((slash != NULL ? slash : end) - raw);
		memcpy(ret + out, raw, plain);
		out += plain;
		if (slash == NULL)
			break;
		if (slash[1] == 'u') {
			raw = slash +
			      scan_decode_unit(slash, end, ret + out, &wrote);
			out += wrote;
		} else {
			ret[out++] = scan_decode_short(slash[1]);
			raw = slash + 2;
		}
	}
	return out;
}

bool
scan_unescape(struct buf *buf, const char *raw, size_t len)
{
	if (len == 0)
		return !buf->failed;
	/* never longer than the raw text, so one reservation is enough */
	if (!buf_reserve(buf, len))
		return false;
	buf->len += scan_decode(raw, len, buf->data + buf->len);
	return true;
}

bool
scan_equals_escaped(
    const struct scan_value *string, const char *text, size_t len)
{
	char decoded[512];

	/* no escape is longer than 6 bytes a decoded byte */
	if (string->len > sizeof(decoded) || string->len > 6 * len)
		return false;
	return scan_decode(string->data, string->len, decoded) == len &&
	       memcmp(decoded, text, len) == 0;
}

/* A number as sign, digits without the dot, and a power of ten. */
struct scan_decimal {
	bool negative;
	const char *digits, *end; /* may hold one dot */
	int64_t power;		  /* of the last digit */
};

/*
 * Exponents beyond any body's length only need their sign; the limit keeps
 * the sums below from overflowing.
 */
static int64_t
scan_exponent(const char *at, const char *end)
{
	const int64_t limit = INT64_MAX / 32;
	bool negative = false;
	int64_t value = 0;

	if (*at == '-' || *at == '+')
		negative = *at++ == '-';
	for (; at < end; at++) {
		if (value < limit)
			value = value * 10 + (*at - '0');
	}
	return negative ? -value : value;
}

/*
 * No floating point: 5.0 and 1e400 are integers exactly, and a wrong verdict
 * on a customer's number would bury the event.
 */
static struct scan_decimal
scan_decimal_read(const char *data, size_t len)
{
	const char *end = data + len, *at, *dot = NULL;
	struct scan_decimal decimal = {.negative = *data == '-', .end = end};

	decimal.digits = data + (decimal.negative ? 1 : 0);
	for (at = decimal.digits; at < end; at++) {
		if (*at == '.') {
			dot = at;
		} else if (*at == 'e' || *at == 'E') {
			decimal.power = scan_exponent(at + 1, end);
			decimal.end = at;
			break;
		}
	}
	if (dot != NULL)
		decimal.power -= decimal.end - dot - 1;
	/* trailing zeros belong to the power */
	while (decimal.end > decimal.digits &&
	       (decimal.end[-1] == '0' || decimal.end[-1] == '.')) {
		decimal.end--;
		if (*decimal.end == '0')
			decimal.power++;
	}
	/* and leading ones to nobody */
	while (decimal.digits < decimal.end &&
	       (*decimal.digits == '0' || *decimal.digits == '.'))
		decimal.digits++;
	return decimal;
}

bool
scan_number_integral(const char *data, size_t len)
{
	struct scan_decimal decimal = scan_decimal_read(data, len);

	return decimal.digits == decimal.end || decimal.power >= 0;
}

bool
scan_number_int64(const char *data, size_t len, int64_t *ret)
{
	struct scan_decimal decimal = scan_decimal_read(data, len);
	int64_t value = 0, digit;

	if (decimal.digits == decimal.end) {
		*ret = 0;
		return true;
	}
	/* 10^19 is above INT64_MAX whatever the digits are */
	if (decimal.power < 0 || decimal.power > 18)
		return false;
	for (const char *at = decimal.digits; at < decimal.end; at++) {
		if (*at == '.')
			continue;
		/* summed with its sign: INT64_MIN has no positive twin */
		digit = decimal.negative ? '0' - *at : *at - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	for (; decimal.power > 0; decimal.power--) {
		if (__builtin_mul_overflow(value, 10, &value))
			return false;
	}
	*ret = value;
	return true;
}
