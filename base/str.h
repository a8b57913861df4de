#ifndef BASE_STR_H
#define BASE_STR_H

/*
 * A view of bytes: a pointer and a length, not NUL-terminated, owned by
 * somebody else. The empty view may have a NULL pointer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *data;
	size_t len;
};

/* A view of a string literal; usable in initializers. */
#define STR(literal)                                                           \
	{                                                                      \
		"" literal, sizeof(literal) - 1                                \
	}

/* For printf's "%.*s". */
#define STR_ARGS(str) (int)(str).len, (str).data

static inline struct str
str_bytes(const char *data, size_t len)
{
	return (struct str){data, len};
}

/* A view of a NUL-terminated text; NULL is the empty view. */
static inline struct str
str_text(const char *text)
{
	return (struct str){text, text == NULL ? 0 : strlen(text)};
}

static inline bool
str_equal(struct str a, struct str b)
{
	return a.len == b.len &&
	       (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool
str_equal_text(struct str a, const char *text)
{
	return str_equal(a, str_text(text));
}

/* Compares byte by byte; a prefix sorts before the longer text. */
int str_compare(struct str a, struct str b);

/* A 64-bit hash (FNV-1a, mixed at the end, so that any of its bits can choose a
 * slot). To hash several parts, pass each result as the next `seed`; the first
 * is 0. Not keyed: whoever sends the bytes can make hashes collide. */
uint64_t str_hash(uint64_t seed, struct str bytes);

/* Is it one of the words, which have a blank between them? */
bool str_has_word(const char *words, const char *word);

/* How many letters must change to make one word of the other, for suggestions;
 * at least STR_DISTANCE_MAX if either is longer than that. */
enum { STR_DISTANCE_MAX = 64 };
size_t str_distance(const char *a, const char *b);

#endif
