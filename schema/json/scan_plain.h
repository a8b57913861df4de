#ifndef SCHEMA_JSON_SCAN_PLAIN_H
#define SCHEMA_JSON_SCAN_PLAIN_H

/*
 * Where most of the scanner's time goes: finding the next byte of a string that
 * needs attention. Sixteen bytes at a time where the processor is known to do
 * that (every x86-64), else eight, in plain C.
 */

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* Is this a byte of a string that ends nothing and needs no check? */
static inline bool
scan_is_plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x80 &&
	       c != '"' && c != '\\';
}

#ifdef __SSE2__
/* Which of 16 bytes are not plain: a bit for each. */
static inline unsigned
scan_block(const char *at)
{
	__m128i bytes = _mm_loadu_si128((const void *)at);
	__m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
	__m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
	/* signed: controls and bytes from 0x80 alike are below a space */
	__m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(' '));

	return (unsigned)_mm_movemask_epi8(
	    _mm_or_si128(_mm_or_si128(quote, slash), other));
}

static inline const char *
scan_plain(const char *at, const char *end)
{
	unsigned found;

	while (end - at >= 16) {
		found = scan_block(at);
		if (found != 0)
			return at + __builtin_ctz(found);
		at += 16;
	}
	while (at < end && scan_is_plain(*at))
		at++;
	return at;
}
#else
/* The high bit of each byte of the result: may this byte be zero? */
static inline uint64_t
scan_zeros(uint64_t word)
{
	return (word - 0x0101010101010101u) & ~word;
}

static inline const char *
scan_plain(const char *at, const char *end)
{
	uint64_t word, found;

	for (; end - at >= 8; at += 8) {
		memcpy(&word, at, sizeof(word));
		found = scan_zeros(word ^ 0x2222222222222222u) |
			scan_zeros(word ^ 0x5c5c5c5c5c5c5c5cu) |
			(word - 0x2020202020202020u) | word;
		if ((found & 0x8080808080808080u) != 0)
			break;
	}
	while (at < end && scan_is_plain(*at))
		at++;
	return at;
}
#endif

#endif
