#ifndef SCHEMA_JSON_SCAN_FIND_H
#define SCHEMA_JSON_SCAN_FIND_H

/*
 * Searches over the bytes of JSON that are blind to its structure, and as quick
 * as schema/json/scan_plain.h: the caller knows what a hit proves.
 */

#include "schema/json/scan_plain.h"

#include <stddef.h>

static inline bool
scan_is_bracket(char c)
{
	/* [ and { differ in this bit, and so do ] and } */
	return (c | 0x20) == '{' || (c | 0x20) == '}';
}

/* The next quote that these two letters follow, or NULL. */
static inline const char *
scan_find_quoted(const char *at, const char *end, char first, char second)
{
#ifdef __SSE2__
	for (; end - at >= 18; at += 16) {
		__m128i quotes = _mm_cmpeq_epi8(
		    _mm_loadu_si128((const void *)at), _mm_set1_epi8('"'));
		__m128i firsts =
		    _mm_cmpeq_epi8(_mm_loadu_si128((const void *)(at + 1)),
			_mm_set1_epi8(first));
		unsigned found =
		    (unsigned)_mm_movemask_epi8(_mm_and_si128(quotes, firsts));

		for (; found != 0; found &= found - 1) {
			const char *hit = at + __builtin_ctz(found);

			if (hit[2] == second)
				return hit;
		}
	}
#endif
	for (; end - at >= 3; at++) {
		if (at[0] == '"' && at[1] == first && at[2] == second)
			return at;
	}
	return NULL;
}

/* Is there a bracket, of an array or an object, within a string or not? */
static inline bool
scan_find_bracket(const char *at, const char *end)
{
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) {
		__m128i bytes = _mm_or_si128(
		    _mm_loadu_si128((const void *)at), _mm_set1_epi8(0x20));
		__m128i found =
		    _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('{')),
			_mm_cmpeq_epi8(bytes, _mm_set1_epi8('}')));

		if (_mm_movemask_epi8(found) != 0)
			return true;
	}
#endif
	while (at < end && !scan_is_bracket(*at))
		at++;
	return at < end;
}

#endif
