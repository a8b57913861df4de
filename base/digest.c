#include "base/digest.h"

#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <nettle/umac.h>

#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/*
 * UMAC (RFC 4418) with one fixed nonce is an almost universal hash under a
 * secret key: two inputs collide with a chance of about 2^-120.
 */
struct digest_short {
	struct umac128_ctx umac;
};

static const uint8_t digest_nonce[8];

struct digest_short *
digest_short_new(const unsigned char key[DIGEST_KEY])
{
	struct digest_short *digest = calloc(1, sizeof(*digest));

	if (digest == NULL)
		return NULL;
	umac128_set_key(&digest->umac, key);
	umac128_set_nonce(&digest->umac, sizeof(digest_nonce), digest_nonce);
	return digest;
}

void
digest_short_free(struct digest_short *digest)
{
	free(digest);
}

void
digest_short_add(struct digest_short *digest, const void *data, size_t len)
{
	if (len > 0)
		umac128_update(&digest->umac, len, data);
}

void
digest_short_end(struct digest_short *digest, unsigned char ret[DIGEST_SHORT])
{
	umac128_digest(&digest->umac, DIGEST_SHORT, ret);
	umac128_set_nonce(&digest->umac, sizeof(digest_nonce), digest_nonce);
}

/* ---- SipHash-2-4 (Aumasson and Bernstein, 2012) ----
 *
 * Each id of each event is hashed with it, so its rounds are inline. */

static inline uint64_t
word_read(const unsigned char *bytes, size_t len)
{
	uint64_t word = 0;

	if (len > 0)
		memcpy(&word, bytes, len);
	return le64toh(word);
}

static inline uint64_t
word_turn(uint64_t word, int bits)
{
	return word << bits | word >> (64 - bits);
}

static inline void
word_round(uint64_t v[4])
{
	v[0] += v[1];
	v[2] += v[3];
	v[1] = word_turn(v[1], 13) ^ v[0];
	v[3] = word_turn(v[3], 16) ^ v[2];
	v[0] = word_turn(v[0], 32) + v[3];
	v[2] += v[1];
	v[1] = word_turn(v[1], 17) ^ v[2];
	v[3] = word_turn(v[3], 21) ^ v[0];
	v[2] = word_turn(v[2], 32);
}

static inline void
word_add(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	word_round(v);
	word_round(v);
	v[0] ^= word;
}

uint64_t
digest_word(const unsigned char key[DIGEST_KEY], const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t k0 = word_read(key, 8), k1 = word_read(key + 8, 8);
	uint64_t v[4] = {
	    k0 ^ UINT64_C(0x736f6d6570736575),
	    k1 ^ UINT64_C(0x646f72616e646f6d),
	    k0 ^ UINT64_C(0x6c7967656e657261),
	    k1 ^ UINT64_C(0x7465646279746573),
	};
	size_t at = 0;

	for (; len - at >= 8; at += 8)
		word_add(v, word_read(bytes + at, 8));
	word_add(v, word_read(bytes + at, len - at) | (uint64_t)len << 56);
	v[2] ^= 0xff;
	for (int i = 0; i < 4; i++)
		word_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void
digest_md5(const void *data, size_t len, unsigned char ret[DIGEST_MD5])
{
	struct md5_ctx md5;

	md5_init(&md5);
	md5_update(&md5, len, data);
	md5_digest(&md5, DIGEST_MD5, ret);
}

void
digest_sha256(const void *data, size_t len, unsigned char ret[DIGEST_SHA256])
{
	struct sha256_ctx sha256;

	sha256_init(&sha256);
	sha256_update(&sha256, len, data);
	sha256_digest(&sha256, DIGEST_SHA256, ret);
}

_Static_assert(sizeof(struct hmac_sha256_ctx) <= DIGEST_HMAC, "too small");

static struct hmac_sha256_ctx *
digest_hmac_state(struct digest_hmac *hmac)
{
	return (struct hmac_sha256_ctx *)(void *)hmac->state;
}

void
digest_hmac_begin(struct digest_hmac *hmac, const void *key, size_t key_len)
{
	hmac_sha256_set_key(digest_hmac_state(hmac), key_len, key);
}

void
digest_hmac_add(struct digest_hmac *hmac, const void *data, size_t len)
{
	if (len > 0)
		hmac_sha256_update(digest_hmac_state(hmac), len, data);
}

void
digest_hmac_end(struct digest_hmac *hmac, unsigned char ret[DIGEST_SHA256])
{
	hmac_sha256_digest(digest_hmac_state(hmac), DIGEST_SHA256, ret);
}

void
digest_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char ret[DIGEST_SHA256])
{
	struct digest_hmac hmac;

	digest_hmac_begin(&hmac, key, key_len);
	digest_hmac_add(&hmac, data, len);
	digest_hmac_end(&hmac, ret);
}

bool
digest_equal(const void *a, const void *b, size_t len)
{
	return memeql_sec(a, b, len) != 0;
}

void
digest_random(void *ret, size_t len)
{
	unsigned char *at = ret;

	while (len > 0) {
		ssize_t got = getrandom(at, len, 0);

		CHECK(got > 0);
		at += got;
		len -= (size_t)got;
	}
}

void
digest_random_id(char *ret, size_t digits)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char bytes[DIGEST_DIGITS];

	CHECK(digits <= sizeof(bytes));
	digest_random(bytes, digits);
	for (size_t i = 0; i < digits; i++)
		ret[i] = hex[bytes[i] & 15];
	ret[digits] = '\0';
}
