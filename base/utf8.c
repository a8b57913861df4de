#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

size_t
utf8_length(const char *data, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)data;
	unsigned char lead = bytes[0], low = 0x80, high = 0xbf;
	size_t need;

	if (lead < 0x80)
		return 1;
	if (lead < 0xc2 || lead > 0xf4)
		return 0;
	need = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (len < need)
		return 0;
	if (lead == 0xe0)
		low = 0xa0;
	else if (lead == 0xf0)
		low = 0x90;
	else if (lead == 0xed)
		high = 0x9f;
	else if (lead == 0xf4)
		high = 0x8f;
	if (bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	}
	return need;
}

size_t
utf8_encode(char *ret, uint32_t point)
{
	if (point < 0x80) {
		ret[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		ret[0] = (char)(0xc0 | point >> 6);
		ret[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		ret[0] = (char)(0xe0 | point >> 12);
		ret[1] = (char)(0x80 | (point >> 6 & 0x3f));
		ret[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	ret[0] = (char)(0xf0 | point >> 18);
	ret[1] = (char)(0x80 | (point >> 12 & 0x3f));
	ret[2] = (char)(0x80 | (point >> 6 & 0x3f));
	ret[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

/* The code point of a sequence of this length. */
static uint32_t
point_of(const unsigned char *bytes, size_t step)
{
	static const unsigned char lead[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t point = bytes[0] & lead[step];

	for (size_t i = 1; i < step; i++)
		point = point << 6 | (bytes[i] & 0x3f);
	return point;
}

/* C0, DEL, C1; U+2028 and U+2029; the characters of Unicode's property
 * Bidi_Control, which can reorder what stands around them. */
static bool
point_is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
	       point == 0x061c || point == 0x200e || point == 0x200f ||
	       (point >= 0x2028 && point <= 0x202e) ||
	       (point >= 0x2066 && point <= 0x2069);
}

size_t
utf8_visible(
    char ret[UTF8_VISIBLE], const char *data, size_t len, size_t *ret_step)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *bytes = (const unsigned char *)data;
	size_t step = utf8_length(data, len), put = 0;

	*ret_step = step > 0 ? step : 1;
	if (step > 0 && !point_is_control(point_of(bytes, step))) {
		memcpy(ret, data, step);
		return step;
	}
	for (size_t i = 0; i < *ret_step; i++) {
		ret[put++] = '\\';
		ret[put++] = 'x';
		ret[put++] = hex[bytes[i] >> 4];
		ret[put++] = hex[bytes[i] & 15];
	}
	return put;
}
