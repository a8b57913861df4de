#include "base/digest.h"

#include <nettle/hmac.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <nettle/umac.h>

#include <stdlib.h>
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

void
digest_hmac_sha256(const void *key, size_t key_len, const void *data,
    size_t len, unsigned char ret[DIGEST_SHA256])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(&hmac, key_len, key);
	hmac_sha256_update(&hmac, len, data);
	hmac_sha256_digest(&hmac, DIGEST_SHA256, ret);
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
