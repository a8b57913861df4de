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

/* One character, or one byte that is none, as a terminal may get it: control
 * characters (C0, DEL, C1), line separators, the controls of bidirectional text
 * and what is not UTF-8 as \xNN for each byte. Returns the number of bytes
 * written; *ret_step is how many it read. len > 0. */
enum { UTF8_VISIBLE = 12 };
size_t utf8_visible(
    char ret[UTF8_VISIBLE], const char *data, size_t len, size_t *ret_step);

/* The length of the sequence that begins with this byte, in valid text. */
static inline size_t
utf8_step(char lead)
{
	unsigned char byte = (unsigned char)lead;

	return byte < 0xc0 ? 1 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
}

#endif
