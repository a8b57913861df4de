#include "schema/text.h"

#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <string.h>
#include <wctype.h>

size_t
text_cut(const char *data, size_t len, size_t units)
{
	size_t at = 0;

	if (len <= units)
		return len;
	while (at < len) {
		size_t step = utf8_step(data[at]);
		size_t need = step == 4 ? 2 : 1;

		if (need > units || step > len - at)
			return at;
		units -= need;
		at += step;
	}
	return len;
}

size_t
text_units(const char *data, size_t len)
{
	size_t units = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < 0x80 || c >= 0xc0)
			units += c >= 0xf0 ? 2 : 1;
	}
	return units;
}

size_t
text_characters(const char *data, size_t len)
{
	size_t characters = 0;

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c < 0x80 || c >= 0xc0)
			characters++;
	}
	return characters;
}

/* The length of the white character at data, or 0. */
static size_t
text_white(const char *data, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)data;
	unsigned c;

	if (bytes[0] < 0x80)
		return bytes[0] == ' ' || (bytes[0] >= 9 && bytes[0] <= 13);
	if (len >= 2 && bytes[0] == 0xc2)
		return bytes[1] == 0x85 || bytes[1] == 0xa0 ? 2 : 0;
	if (len < 3 || bytes[0] < 0xe1 || bytes[0] > 0xe3)
		return 0;
	c = (bytes[0] & 0xfU) << 12 | (bytes[1] & 0x3fU) << 6 |
	    (bytes[2] & 0x3fU);
	return c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
		       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000
		   ? 3
		   : 0;
}

bool
text_blank(const char *data, size_t len)
{
	size_t at = 0;

	while (at < len) {
		size_t step = text_white(data + at, len - at);

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

/* The same of one that cannot be seen at the end of a text: U+200B to U+200D,
 * U+2060 and U+FEFF have no width. */
static size_t
text_unseen(const char *data, size_t len)
{
	static const char *const thin[] = {"\xe2\x80\x8b", "\xe2\x80\x8c",
	    "\xe2\x80\x8d", "\xe2\x81\xa0", "\xef\xbb\xbf"};

	if (len >= 3 && (unsigned char)*data >= 0xe2) {
		for (size_t i = 0; i < sizeof(thin) / sizeof(*thin); i++) {
			if (memcmp(data, thin[i], 3) == 0)
				return 3;
		}
	}
	return text_white(data, len);
}

void
text_trim(const char **data, size_t *len)
{
	size_t step;

	while (*len > 0 && (step = text_unseen(*data, *len)) > 0) {
		*data += step;
		*len -= step;
	}
	while (*len > 0) {
		size_t back = 1;

		while (back < *len && back < 4 &&
		       ((unsigned char)(*data)[*len - back] & 0xc0) == 0x80)
			back++;
		if (text_unseen(*data + *len - back, back) != back)
			return;
		*len -= back;
	}
}

static pthread_once_t text_once = PTHREAD_ONCE_INIT;
static locale_t text_locale;

static void
text_locale_open(void)
{
	text_locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* Upper case first: a final sigma is a sigma. */
static wint_t
text_fold(wint_t c)
{
	if (c < 0x80)
		return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
	(void)pthread_once(&text_once, text_locale_open);
	if (text_locale == (locale_t)0)
		return c;
	return towlower_l(towupper_l(c, text_locale), text_locale);
}

/* The character at *at, which is moved on; a byte if the rest is short. */
static wint_t
text_point(const char *data, size_t len, size_t *at)
{
	const unsigned char *bytes = (const unsigned char *)data + *at;
	size_t step = utf8_step(data[*at]);
	wint_t c;

	if (step == 1 || step > len - *at) {
		++*at;
		return bytes[0];
	}
	c = bytes[0] & (0xffU >> (step + 1));
	for (size_t i = 1; i < step; i++)
		c = c << 6 | (bytes[i] & 0x3fU);
	*at += step;
	return c;
}

bool
text_equal_folded(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t i = 0, j = 0;

	while (i < a_len && j < b_len) {
		wint_t one = text_point(a, a_len, &i);
		wint_t two = text_point(b, b_len, &j);

		if (one != two && text_fold(one) != text_fold(two))
			return false;
	}
	return i == a_len && j == b_len;
}

static const char TEXT_REPLACEMENT[] = "\xef\xbf\xbd";

size_t
text_mend(char *data, size_t len)
{
	size_t nuls = 0, to;

	if (len == 0 || memchr(data, '\0', len) == NULL)
		return len;
	for (size_t i = 0; i < len; i++)
		nuls += data[i] == '\0';
	to = len + nuls * 2;
	for (size_t i = len; i-- > 0;) {
		if (data[i] != '\0') {
			data[--to] = data[i];
			continue;
		}
		to -= 3;
		memcpy(data + to, TEXT_REPLACEMENT, 3);
	}
	return len + nuls * 2;
}

bool
text_mended(const char *data, size_t len)
{
	return memmem(data, len, TEXT_REPLACEMENT, 3) != NULL;
}

/* The usual matching with one way back: to the last `*` that was met. */
bool
text_match(const char *pattern, size_t pattern_len, const char *data,
    size_t len, bool nested)
{
	size_t p = 0, at = 0, back_p = pattern_len + 1, back_at = 0;

	for (;;) {
		if (p == pattern_len &&
		    (at == len || (nested && data[at] == '.')))
			return true;
		if (p < pattern_len && pattern[p] == '*') {
			back_p = ++p;
			back_at = at;
			continue;
		}
		if (at < len && p < pattern_len && pattern[p] == data[at]) {
			p++;
			at++;
			continue;
		}
		if (back_p > pattern_len || back_at >= len)
			return false;
		p = back_p;
		at = ++back_at;
	}
}

uint32_t
text_print(const char *data, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)data;

	if (len == 0)
		return 0;
	return (uint32_t)len << 24 ^ (uint32_t)bytes[0] << 16 ^
	       (uint32_t)bytes[len / 2] << 8 ^ bytes[len - 1];
}

/* Without an early end, so that compilers take several at a time. */
bool
text_prints_hold(const uint32_t *prints, size_t count, uint32_t print)
{
	uint32_t held = 0;

	for (size_t i = 0; i < count; i++)
		held |= prints[i] == print;
	return held != 0;
}
