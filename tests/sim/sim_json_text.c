/* The text of JSON strings that were checked before: nothing fails here. */

#include "tests/sim/sim_json.h"

#include <stdlib.h>
#include <string.h>

/* The four hex digits behind "\u". */
static unsigned
escape_unit(const char *at)
{
	char digits[5] = {at[2], at[3], at[4], at[5], '\0'};

	return (unsigned)strtoul(digits, NULL, 16);
}

size_t
sim_json_units(const struct sim_json *string)
{
	const char *at = string->at + 1;
	const char *end = string->at + string->len - 1;
	size_t units = 0;
	unsigned char c;

	while (at < end) {
		if (*at == '\\') {
			at += at[1] == 'u' ? 6 : 2;
			units++;
			continue;
		}
		/* The first byte of a character says how long it is. */
		c = (unsigned char)*at++;
		if ((c & 0xc0) != 0x80)
			units += c >= 0xf0 ? 2 : 1;
	}
	return units;
}

/* Half a surrogate pair becomes three bytes that are not valid UTF-8: it has
 * no other form, and two halves that differ must stay different. */
static void
add_code_point(struct sim_text *out, unsigned c)
{
	char bytes[4];
	size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
	size_t i;

	for (i = len; i-- > 1; c >>= 6)
		bytes[i] = (char)(0x80 | (c & 0x3f));
	bytes[0] = (char)(lead[len] | c);
	sim_text_add(out, bytes, len);
}

/* Append what the escape at that place means; returns its length. */
static size_t
decode_escape(const char *at, const char *end, struct sim_text *out)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *letter = strchr(letters, at[1]);
	unsigned high;
	unsigned low;

	if (at[1] != 'u') {
		sim_text_add(out,
		    letter != NULL ? &meanings[letter - letters] : &at[1], 1);
		return 2;
	}
	high = escape_unit(at);
	if (high >= 0xd800 && high < 0xdc00 && end - at >= 12 &&
	    at[6] == '\\' && at[7] == 'u') {
		low = escape_unit(at + 6);
		if (low >= 0xdc00 && low < 0xe000) {
			add_code_point(out,
			    0x10000 + ((high - 0xd800) << 10) + low - 0xdc00);
			return 12;
		}
	}
	add_code_point(out, high);
	return 6;
}

void
sim_json_decode(const struct sim_json *string, struct sim_text *out)
{
	const char *at = string->at + 1;
	const char *end = string->at + string->len - 1;
	const char *plain;

	while (at < end) {
		if (*at == '\\') {
			at += decode_escape(at, end, out);
			continue;
		}
		plain = memchr(at, '\\', (size_t)(end - at));
		if (plain == NULL)
			plain = end;
		sim_text_add(out, at, (size_t)(plain - at));
		at = plain;
	}
}

/* Names of members may be written with escapes; hardly any are. */
bool
sim_json_is(const struct sim_json *string, const char *text)
{
	struct sim_text decoded = {0};
	size_t len = strlen(text);
	bool same;

	if (memchr(string->at, '\\', string->len) == NULL)
		return string->len == len + 2 &&
		       memcmp(string->at + 1, text, len) == 0;
	sim_json_decode(string, &decoded);
	same = decoded.len == len &&
	       (len == 0 || memcmp(decoded.at, text, len) == 0);
	sim_text_fini(&decoded);
	return same;
}
