#ifndef SCHEMA_CATALOGUE_HASH_H
#define SCHEMA_CATALOGUE_HASH_H

/*
 * How a name is looked up in the catalogue's tables: shared by the generator
 * that fills them and by the look-up. Names are short, so their first and
 * last eight bytes nearly are the name: for up to 16 bytes they are.
 */

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct catalogue_key {
	uint64_t head, tail; /* they may overlap */
};

static inline struct catalogue_key
catalogue_key(const char *name, size_t len)
{
	struct catalogue_key key = {0, 0};
	uint32_t head, tail;

	if (len >= 8) {
		memcpy(&key.head, name, 8);
		memcpy(&key.tail, name + len - 8, 8);
		key.head = le64toh(key.head);
		key.tail = le64toh(key.tail);
	} else if (len >= 4) {
		memcpy(&head, name, 4);
		memcpy(&tail, name + len - 4, 4);
		key.head = le32toh(head);
		key.tail = le32toh(tail);
	} else if (len > 0) {
		key.head = (unsigned char)name[0];
		key.tail = (uint64_t)(unsigned char)name[len / 2] << 8 |
			   (unsigned char)name[len - 1];
	}
	return key;
}

/* The slot where a name's search begins, of 1 << bits. */
static inline size_t
catalogue_slot(
    struct catalogue_key key, size_t len, uint64_t seed, unsigned bits)
{
	uint64_t mixed = key.head ^ (key.tail << 31 | key.tail >> 33) ^ len;

	return (size_t)(mixed * seed >> (64 - bits));
}

#endif
