/*
 * Each function reads from scan->at and leaves it past what it read. After an
 * error it stays where the syntax broke and every further step fails, so that a
 * caller may look at scan->error once, after a loop. Only the scanning of
 * strings is optimized: a body is mostly strings.
 */

#include "schema/json/scan.h"

#include "base/utf8.h"
#include "schema/json/scan_plain.h"

void
scan_init(struct scan *scan, struct str json)
{
	/* the empty view may have no data */
	const char *at = json.data != NULL ? json.data : "";

	*scan = (struct scan){.at = at, .end = at + json.len};
}

static bool
scan_fail(struct scan *scan, const char *at, const char *why)
{
	scan->at = at;
	scan->error = why;
	return false;
}

bool
scan_space_skip(struct scan *scan)
{
	const char *at = scan->at, *end = scan->end;

	while (at < end &&
	       (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	scan->at = at;
	return at < end;
}

/* Skip the multi-byte characters at `at`; record the first byte that is not
 * UTF-8. */
static const char *
scan_multibyte(struct scan *scan, const char *at, struct scan_value *value)
{
	size_t step;

	while (at < scan->end && (unsigned char)*at >= 0x80) {
		step = utf8_length(at, (size_t)(scan->end - at));
		if (step == 0) {
			value->bad_utf8 = true;
			if (scan->bad_utf8 == NULL)
				scan->bad_utf8 = at;
			step = 1;
		}
		at += step;
	}
	return at;
}

static int
scan_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Skip the escape at `at`; NULL if it is not a valid one. */
static const char *
scan_escape(struct scan *scan, const char *at)
{
	/* cut short: the caller meets the end and reports it */
	if (++at == scan->end)
		return at;
	if (memchr("\"\\/bfnrt", *at, 8) != NULL)
		return at + 1;
	if (*at != 'u')
		return NULL;
	at++;
	for (int i = 0; i < 4 && at < scan->end; i++, at++) {
		if (scan_hex(*at) < 0)
			return NULL;
	}
	return at;
}

/* Read a string whose opening quote is at scan->at. */
static bool
scan_string(struct scan *scan, struct scan_value *value)
{
	const char *start = scan->at + 1, *at = start, *next;

	value->kind = SCAN_STRING;
	value->escaped = value->bad_utf8 = false;
	for (;;) {
		at = scan_plain(at, scan->end);
		if (at >= scan->end)
			return scan_fail(scan, at, "an unterminated string");
		if (*at == '"')
			break;
		if (*at == '\\') {
			value->escaped = true;
			next = scan_escape(scan, at);
			if (next == NULL)
				return scan_fail(scan, at, "an invalid escape");
			at = next;
		} else if ((unsigned char)*at >= 0x80) {
			at = scan_multibyte(scan, at, value);
		} else {
			return scan_fail(
			    scan, at, "a control character in a string");
		}
	}
	value->text = str_bytes(start, (size_t)(at - start));
	scan->at = at + 1;
	return true;
}

/* Skip one digit or more; NULL if there is none, which fails the scan. */
static const char *
scan_digits(struct scan *scan, const char *at)
{
	const char *start = at;

	while (at < scan->end && *at >= '0' && *at <= '9')
		at++;
	if (at > start)
		return at;
	(void)scan_fail(scan, at, "a digit is missing in a number");
	return NULL;
}

/* Check the grammar only: the value may be of any size. */
static bool
scan_number(struct scan *scan, struct scan_value *value)
{
	const char *start = scan->at, *end = scan->end, *at = start;

	value->kind = SCAN_NUMBER;
	value->plain = true;
	if (*at == '-')
		at++;
	/* nothing but a dot or an exponent may follow a leading zero */
	if (at < end && *at == '0')
		at++;
	else if ((at = scan_digits(scan, at)) == NULL)
		return false;
	if (at < end && *at == '.') {
		value->plain = false;
		at = scan_digits(scan, at + 1);
		if (at == NULL)
			return false;
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		value->plain = false;
		at++;
		if (at < end && (*at == '+' || *at == '-'))
			at++;
		at = scan_digits(scan, at);
		if (at == NULL)
			return false;
	}
	value->text = str_bytes(start, (size_t)(at - start));
	scan->at = at;
	return true;
}

/* Read true, false, null or an opening bracket. */
static bool
scan_literal(struct scan *scan, struct scan_value *value, enum scan_kind kind,
    struct str literal)
{
	if ((size_t)(scan->end - scan->at) < literal.len ||
	    memcmp(scan->at, literal.data, literal.len) != 0)
		return scan_fail(scan, scan->at, "not a JSON value");
	value->kind = kind;
	value->text = str_bytes(scan->at, literal.len);
	scan->at += literal.len;
	return true;
}

bool
scan_value(struct scan *scan, struct scan_value *ret_value)
{
	if (!scan_space(scan))
		return scan_fail(scan, scan->at, "a value is missing");
	switch (*scan->at) {
	case '"':
		return scan_string(scan, ret_value);
	case '{':
		return scan_literal(
		    scan, ret_value, SCAN_OBJECT, str_text("{"));
	case '[':
		return scan_literal(scan, ret_value, SCAN_ARRAY, str_text("["));
	case 't':
		return scan_literal(
		    scan, ret_value, SCAN_TRUE, str_text("true"));
	case 'f':
		return scan_literal(
		    scan, ret_value, SCAN_FALSE, str_text("false"));
	case 'n':
		return scan_literal(
		    scan, ret_value, SCAN_NULL, str_text("null"));
	}
	if (*scan->at == '-' || (*scan->at >= '0' && *scan->at <= '9'))
		return scan_number(scan, ret_value);
	return scan_fail(scan, scan->at, "not a JSON value");
}

/* Step over the comma to the next item; false after the closing bracket. */
static bool
scan_next(struct scan *scan, bool *first, char closing, const char *expected)
{
	if (scan->error != NULL)
		return false;
	if (!scan_space(scan))
		return scan_fail(
		    scan, scan->at, "a closing bracket is missing");
	if (*scan->at == closing) {
		scan->at++;
		return false;
	}
	if (*first) {
		*first = false;
		return true;
	}
	if (*scan->at != ',')
		return scan_fail(scan, scan->at, expected);
	scan->at++;
	return true;
}

bool
scan_member(struct scan *scan, bool *first, struct scan_value *ret_key)
{
	if (!scan_next(scan, first, '}', "expected a comma or }"))
		return false;
	if (!scan_space(scan) || *scan->at != '"')
		return scan_fail(scan, scan->at, "expected a key in quotes");
	if (!scan_string(scan, ret_key))
		return false;
	if (!scan_space(scan) || *scan->at != ':')
		return scan_fail(scan, scan->at, "expected a colon");
	scan->at++;
	return true;
}

bool
scan_element(struct scan *scan, bool *first)
{
	return scan_next(scan, first, ']', "expected a comma or ]");
}

/*
 * Skip to behind the bracket that closes the one just read, by counting alone:
 * any depth, without memory. Strings are scanned because they may hold
 * brackets.
 */
static bool
scan_skip_counting(struct scan *scan)
{
	struct scan_value string;
	size_t open = 1;

	while (scan->at < scan->end) {
		switch (*scan->at) {
		case '"':
			if (!scan_string(scan, &string))
				return false;
			continue;
		case '{':
		case '[':
			open++;
			break;
		case '}':
		case ']':
			open--;
			break;
		}
		scan->at++;
		if (open == 0)
			return true;
	}
	return scan_fail(scan, scan->at, "a closing bracket is missing");
}

bool
scan_skip(struct scan *scan, struct scan_value *value, unsigned levels)
{
	/* a stack with a bit for each level: is it an object? */
	uint64_t objects = value->kind == SCAN_OBJECT;
	unsigned open = 1;
	bool first = true, more;
	struct scan_value inner;

	_Static_assert(SCAN_DEPTH <= 64, "a bit for each level");
	CHECK(levels >= 1 && levels <= SCAN_DEPTH);
	while (open > 0) {
		if ((objects & 1) != 0)
			more = scan_member(scan, &first, &inner);
		else
			more = scan_element(scan, &first);
		if (scan->error != NULL)
			return false;
		if (!more) {
			objects >>= 1;
			open--;
			first = false;
			continue;
		}
		if (!scan_value(scan, &inner))
			return false;
		if (!scan_opened(&inner))
			continue;
		if (open < levels) {
			objects = objects << 1 | (inner.kind == SCAN_OBJECT);
			open++;
			first = true;
			continue;
		}
		if (scan->too_deep == NULL)
			scan->too_deep = inner.text.data;
		if (!scan_skip_counting(scan))
			return false;
	}
	value->text.len = (size_t)(scan->at - value->text.data);
	return true;
}

bool
scan_find(struct str object, const char *name, struct scan_value *ret_value)
{
	struct scan_value key, value;
	struct scan scan;
	bool first = true;

	scan_init(&scan, object);
	if (!scan_value(&scan, &value) || value.kind != SCAN_OBJECT)
		return false;
	while (scan_member(&scan, &first, &key)) {
		if (!scan_value(&scan, &value) ||
		    (scan_opened(&value) &&
			!scan_skip(&scan, &value, SCAN_DEPTH)))
			return false;
		if (!scan_equal_text(&key, name))
			continue;
		*ret_value = value;
		return true;
	}
	return false;
}

/* ---- the meaning of a scanned string or number ---- */

/* The UTF-16 unit of four digits, which the scan has checked. */
static uint32_t
scan_unit(const char *digits)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++)
		unit = unit << 4 | (uint32_t)scan_hex(digits[i]);
	return unit;
}

/*
 * Decode the \uXXXX at raw (and its partner); returns the bytes read.
 * A surrogate without its partner is not a character: it becomes U+FFFD.
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

size_t
scan_decode(struct str text, char *ret)
{
	static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
	const char *raw = text.data, *end = raw + text.len, *slash, *letter;
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
			letter = memchr(letters, slash[1], 5);
			ret[out++] = letter != NULL ? controls[letter - letters]
						    : slash[1];
			raw = slash + 2;
		}
	}
	return out;
}

bool
scan_equal_decoded(const struct scan_value *string, struct str text)
{
	char decoded[512];

	/* an escape takes at most 6 bytes for a decoded one */
	if (string->text.len > sizeof(decoded) ||
	    string->text.len > 6 * text.len)
		return false;
	return str_equal(
	    str_bytes(decoded, scan_decode(string->text, decoded)), text);
}

/* A number as sign, digits without the dot, and a power of ten. */
struct scan_decimal {
	bool negative;
	const char *digits, *end; /* may hold one dot */
	int64_t power;		  /* of the last digit */
};

/*
 * Only the sign of a huge exponent matters; the limit keeps the sums below from
 * overflowing.
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
 * No floating point: 5.0 and 1e400 are integers exactly, and a wrong answer
 * about a customer's number would make its event a dead letter.
 */
static struct scan_decimal
scan_decimal_read(struct str number)
{
	const char *end = number.data + number.len, *at, *dot = NULL;
	struct scan_decimal decimal = {
	    .negative = *number.data == '-', .end = end};

	decimal.digits = number.data + (decimal.negative ? 1 : 0);
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
	/* trailing zeros belong to the power, leading ones count for nothing */
	while (decimal.end > decimal.digits &&
	       (decimal.end[-1] == '0' || decimal.end[-1] == '.')) {
		decimal.end--;
		if (*decimal.end == '0')
			decimal.power++;
	}
	while (decimal.digits < decimal.end &&
	       (*decimal.digits == '0' || *decimal.digits == '.'))
		decimal.digits++;
	return decimal;
}

bool
scan_number_integral(struct str number)
{
	struct scan_decimal decimal = scan_decimal_read(number);

	return decimal.digits == decimal.end || decimal.power >= 0;
}

bool
scan_number_int64(struct str number, int64_t *ret)
{
	struct scan_decimal decimal = scan_decimal_read(number);
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
		/* summed with its sign: -INT64_MIN would overflow */
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
