#ifndef BASE_UTF8_H
#define BASE_UTF8_H

/*
 * UTF-8 as defined by RFC 3629: no overlong forms, no surrogates, nothing above
 * U+10FFFF.
 */

#include <stddef.h>
#include <stdint.h>

/* The length of the sequence at data (len > 0), or 0 if there is none. */
size_t utf8_length(const char *data, size_t len);

/* Write a code point, which must not be a surrogate and is at most U+10FFFF.
 * Returns the number of bytes, at most 4. */
size_t utf8_encode(char *ret, uint32_t point);

/* The length of the sequence that begins with this byte, in valid text. */
static inline size_t
utf8_step(char lead)
{
	unsigned char byte = (unsigned char)lead;

	return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

#endif
