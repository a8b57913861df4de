#include "schema/json/text.h"

#include "base/utf8.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

size_t
text_cut(struct str text, size_t units)
{
	size_t at = 0;

	if (text.len <= units)
		return text.len;
	while (at < text.len) {
		size_t step = utf8_step(text.data[at]);
		size_t need = step == 4 ? 2 : 1;

		if (need > units || step > text.len - at)
			return at;
		units -= need;
		at += step;
	}
	return text.len;
}

size_t
text_units(struct str text)
{
	size_t units = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x80 || c >= 0xc0)
			units += c >= 0xf0 ? 2 : 1;
	}
	return units;
}

size_t
text_characters(struct str text)
{
	size_t characters = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x80 || c >= 0xc0)
			characters++;
	}
	return characters;
}

/* The length of the white space character that a text begins with, or 0. */
static size_t
text_white(struct str text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;
	unsigned c;

	if (bytes[0] < 0x80)
		return bytes[0] == ' ' || (bytes[0] >= 9 && bytes[0] <= 13);
	if (text.len >= 2 && bytes[0] == 0xc2)
		return bytes[1] == 0x85 || bytes[1] == 0xa0 ? 2 : 0;
	if (text.len < 3 || bytes[0] < 0xe1 || bytes[0] > 0xe3)
		return 0;
	c = (bytes[0] & 0xfU) << 12 | (bytes[1] & 0x3fU) << 6 |
	    (bytes[2] & 0x3fU);
	return c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 ||
		       c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000
		   ? 3
		   : 0;
}

bool
text_blank(struct str text)
{
	size_t at = 0;

	while (at < text.len) {
		size_t step =
		    text_white(str_bytes(text.data + at, text.len - at));

		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

/* The same for a character that is invisible at the end of a text: white space,
 * or one without width (U+200B to U+200D, U+2060 and U+FEFF). */
static size_t
text_invisible(struct str text)
{
	static const char *const thin[] = {"\xe2\x80\x8b", "\xe2\x80\x8c",
	    "\xe2\x80\x8d", "\xe2\x81\xa0", "\xef\xbb\xbf"};

	if (text.len >= 3 && (unsigned char)*text.data >= 0xe2) {
		for (size_t i = 0; i < sizeof(thin) / sizeof(*thin); i++) {
			if (memcmp(text.data, thin[i], 3) == 0)
				return 3;
		}
	}
	return text_white(text);
}

struct str
text_trim(struct str text)
{
	size_t step;

	while (text.len > 0 && (step = text_invisible(text)) > 0) {
		text.data += step;
		text.len -= step;
	}
	while (text.len > 0) {
		const char *end = text.data + text.len;
		size_t back = 1;

		while (back < text.len && back < 4 &&
		       ((unsigned char)end[-(ptrdiff_t)back] & 0xc0) == 0x80)
			back++;
		if (text_invisible(str_bytes(end - back, back)) != back)
			break;
		text.len -= back;
	}
	return text;
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

/* Read the character at *at and advance; only a byte if the text ends in it. */
static wint_t
text_point(struct str text, size_t *at)
{
	const unsigned char *bytes = (const unsigned char *)text.data + *at;
	size_t step = utf8_step(text.data[*at]);
	wint_t c;

	if (step == 1 || step > text.len - *at) {
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
text_equal_folded(struct str a, struct str b)
{
	size_t i = 0, j = 0;

	while (i < a.len && j < b.len) {
		wint_t one = text_point(a, &i);
		wint_t two = text_point(b, &j);

		if (one != two && text_fold(one) != text_fold(two))
			return false;
	}
	return i == a.len && j == b.len;
}

static const char TEXT_REPLACEMENT[] = "\xef\xbf\xbd";

size_t
text_replace_nuls(char *data, size_t len)
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
text_has_replacement(struct str text)
{
	return memmem(text.data, text.len, TEXT_REPLACEMENT, 3) != NULL;
}

/* The usual wildcard matching: on a mismatch it goes back to the last `*`. */
bool
text_match(struct str pattern, struct str text, bool nested)
{
	size_t p = 0, at = 0, back_p = pattern.len + 1, back_at = 0;

	for (;;) {
		if (p == pattern.len &&
		    (at == text.len || (nested && text.data[at] == '.')))
			return true;
		if (p < pattern.len && pattern.data[p] == '*') {
			back_p = ++p;
			back_at = at;
			continue;
		}
		if (at < text.len && p < pattern.len &&
		    pattern.data[p] == text.data[at]) {
			p++;
			at++;
			continue;
		}
		if (back_p > pattern.len || back_at >= text.len)
			return false;
		p = back_p;
		at = ++back_at;
	}
}

uint32_t
text_fingerprint(struct str text)
{
	const unsigned char *bytes = (const unsigned char *)text.data;

	if (text.len == 0)
		return 0;
	return (uint32_t)text.len << 24 ^ (uint32_t)bytes[0] << 16 ^
	       (uint32_t)bytes[text.len / 2] << 8 ^ bytes[text.len - 1];
}

/* There is no early exit, so that compilers vectorize it. */
bool
text_fingerprint_among(
    uint32_t fingerprint, const uint32_t *fingerprints, size_t count)
{
	uint32_t found = 0;

	for (size_t i = 0; i < count; i++)
		found |= fingerprints[i] == fingerprint;
	return found != 0;
}
