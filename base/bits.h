#ifndef BASE_BITS_H
#define BASE_BITS_H

/*
 * A row of bits in bytes: bit i is bit i % 8 of byte i / 8. The queue's file
 * stores bits in the same form.
 */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* How many bytes `count` bits take up; at least one. */
static inline size_t
bits_bytes(size_t count)
{
	return count / 8 + 1;
}

static inline bool
bits_has(const unsigned char *bits, size_t i)
{
	return (bits[i / 8] >> (i % 8) & 1) != 0;
}

/* Set the bit; returns true if it was clear before. */
static inline bool
bits_add(unsigned char *bits, size_t i)
{
	bool had = bits_has(bits, i);

	bits[i / 8] = (unsigned char)(bits[i / 8] | 1u << (i % 8));
	return !had;
}

static inline void
bits_remove(unsigned char *bits, size_t i)
{
	bits[i / 8] = (unsigned char)(bits[i / 8] & ~(1u << (i % 8)));
}

/* Is any bit of the first `bytes` bytes set? */
static inline bool
bits_any(const unsigned char *bits, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		if (bits[i] != 0)
			return true;
	}
	return false;
}

/* Copy bits; if there are fewer than there is room for, clear the rest. */
static inline void
bits_copy(unsigned char *ret, size_t bytes, const void *from, size_t from_bytes)
{
	if (from_bytes > bytes)
		from_bytes = bytes;
	memset(ret, 0, bytes);
	if (from != NULL && from_bytes > 0)
		memcpy(ret, from, from_bytes);
}

#endif
