#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

/*
 * Hashes, and whatever else needs a crypto library (nettle). Any thread, but
 * one struct digest_short or digest_hmac belongs to one thread at a time.
 */

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
	DIGEST_KEY = 16,   /* bytes of a key for digest_short */
	DIGEST_SHORT = 16, /* bytes of its result */
	DIGEST_MD5 = 16,
	DIGEST_SHA256 = 32,
	DIGEST_HMAC = 512, /* bytes of the state of a struct digest_hmac */
};

/* A fast keyed 128-bit hash, for tables and for telling things apart. Nobody
 * can make two inputs collide without knowing the key. */
struct digest_short;
MUST_USE struct digest_short *
digest_short_new(const unsigned char key[DIGEST_KEY]);
void digest_short_free(struct digest_short *digest);
void
digest_short_add(struct digest_short *digest, const void *data, size_t len);
/* The hash of everything that was added; then starts over. */
void
digest_short_end(struct digest_short *digest, unsigned char ret[DIGEST_SHORT]);

/* A number of such a hash, for tables: it is keyed, so any of its bytes do. */
static inline uint64_t
digest_short_slot(const unsigned char hash[DIGEST_SHORT])
{
	uint64_t slot;

	memcpy(&slot, hash, sizeof(slot));
	return slot;
}

/* A keyed 64-bit hash for ids: much faster, and enough where an answer is
 * looked at again. Nobody can predict it without knowing the key. */
uint64_t
digest_word(const unsigned char key[DIGEST_KEY], const void *data, size_t len);

void digest_md5(const void *data, size_t len, unsigned char ret[DIGEST_MD5]);
void
digest_sha256(const void *data, size_t len, unsigned char ret[DIGEST_SHA256]);

/* HMAC-SHA-256, piece by piece: begin, add, end. It owns nothing. */
struct digest_hmac {
	_Alignas(16) unsigned char state[DIGEST_HMAC];
};
void
digest_hmac_begin(struct digest_hmac *hmac, const void *key, size_t key_len);
void digest_hmac_add(struct digest_hmac *hmac, const void *data, size_t len);
void
digest_hmac_end(struct digest_hmac *hmac, unsigned char ret[DIGEST_SHA256]);

/* The same in one piece. */
void digest_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char ret[DIGEST_SHA256]);

/* The time does not depend on the content, only on the length. */
MUST_USE bool digest_equal(const void *a, const void *b, size_t len);

/* Random bytes from the kernel; aborts if it has none. */
void digest_random(void *ret, size_t len);

/* Write random hexadecimal digits, at most DIGEST_DIGITS, and a NUL. */
enum { DIGEST_DIGITS = 32 };
void digest_random_id(char *ret, size_t digits);

#endif
