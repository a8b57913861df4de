#include "server/tokens.h"

#include "base/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct tokens {
	size_t count;
	unsigned char digests[][DIGEST_SHA256];
};

struct tokens *
tokens_new(const char *const *list)
{
	struct tokens *tokens;
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	tokens = malloc(sizeof(*tokens) + count * DIGEST_SHA256);
	if (tokens == NULL)
		return NULL;
	tokens->count = count;
	for (size_t i = 0; i < count; i++)
		digest_sha256(list[i], strlen(list[i]), tokens->digests[i]);
	return tokens;
}

void
tokens_free(struct tokens *tokens)
{
	free(tokens);
}

size_t
tokens_count(const struct tokens *tokens)
{
	return tokens->count;
}

bool
tokens_find(const struct tokens *tokens, const char *header, size_t *ret_number)
{
	static const char scheme[] = "Bearer";
	unsigned char digest[DIGEST_SHA256];
	size_t number = 0, len;
	bool match = false;

	/* RFC 9110, 11.1: the name of the scheme in any case, then spaces. */
	if (header == NULL ||
	    strncasecmp(header, scheme, sizeof(scheme) - 1) != 0)
		return false;
	header += sizeof(scheme) - 1;
	if (*header != ' ' && *header != '\t')
		return false;
	header += strspn(header, " \t");
	len = strlen(header);
	while (len > 0 && (header[len - 1] == ' ' || header[len - 1] == '\t'))
		len--;
	if (len == 0)
		return false;

	digest_sha256(header, len, digest);
	for (size_t i = 0; i < tokens->count; i++) {
		bool equal =
		    digest_equal(digest, tokens->digests[i], DIGEST_SHA256);

		/* No branch, which would tell how far the loop came. */
		number += (i - number) & (0 - (size_t)equal);
		match |= equal;
	}
	if (match)
		*ret_number = number;
	return match;
}

void
tokens_name(
    const struct tokens *tokens, size_t number, char ret_name[TOKENS_NAME])
{
	CHECK(number < tokens->count);
	for (size_t i = 0; i < TOKENS_NAME / 2; i++)
		(void)snprintf(
		    ret_name + 2 * i, 3, "%02x", tokens->digests[number][i]);
}

/* The key is the token's hash, because the token itself is not kept. */
static void
proof_make(const void *key, size_t key_len, const char *nonce,
    char ret_proof[SERVER_PROOF])
{
	unsigned char digest[DIGEST_SHA256];

	digest_hmac_sha256(key, key_len, nonce, strlen(nonce), digest);
	for (size_t i = 0; i < sizeof(digest); i++)
		(void)snprintf(ret_proof + 2 * i, 3, "%02x", digest[i]);
}

void
tokens_prove(const struct tokens *tokens, size_t number, const char *nonce,
    char ret_proof[SERVER_PROOF])
{
	static const unsigned char none[1];
	bool known = number < tokens->count;

	proof_make(known ? tokens->digests[number] : none,
	    known ? DIGEST_SHA256 : 0, nonce, ret_proof);
}

void
server_probe_proof(
    const char *token, const char *nonce, char ret_proof[SERVER_PROOF])
{
	unsigned char key[DIGEST_SHA256] = {0};

	if (token != NULL)
		digest_sha256(token, strlen(token), key);
	proof_make(key, token != NULL ? sizeof(key) : 0, nonce, ret_proof);
}
