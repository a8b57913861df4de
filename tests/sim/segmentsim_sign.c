/*
 * "Heap-Hash: ts:TIMESTAMP,hmac:MAC": HMAC-SHA-256 with the webhook's secret
 * over the decimal timestamp directly followed by the body, in Base64.
 */

#include "tests/sim/segmentsim_sign.h"

#include <nettle/base16.h>
#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <string.h>

enum {
	TOO_OLD_MS = 600000, /* twice what is documented of anyone */
};

const char *const segmentsim_flaw_names[SEGMENTSIM_FLAWS] = {
    [SEGMENTSIM_GOOD] = "none",
    [SEGMENTSIM_NO_HEADER] = "no header",
    [SEGMENTSIM_EMPTY_HEADER] = "empty header",
    [SEGMENTSIM_NO_TIMESTAMP] = "no timestamp",
    [SEGMENTSIM_NO_MAC] = "no mac",
    [SEGMENTSIM_EMPTY_MAC] = "empty mac",
    [SEGMENTSIM_OTHER_SECRET] = "other secret",
    [SEGMENTSIM_OTHER_BODY] = "other body",
    [SEGMENTSIM_OTHER_TIMESTAMP] = "other timestamp",
    [SEGMENTSIM_BODY_ALONE] = "body alone",
    [SEGMENTSIM_SHORT_MAC] = "short mac",
    [SEGMENTSIM_LONG_MAC] = "long mac",
    [SEGMENTSIM_ONE_BIT] = "one bit",
    [SEGMENTSIM_STALE] = "stale",
    [SEGMENTSIM_AHEAD] = "ahead",
    [SEGMENTSIM_TRUNCATED] = "truncated",
    [SEGMENTSIM_CUT] = "cut",
};

static void
mac_make(const struct segmentsim_settings *settings, enum segmentsim_flaw flaw,
    const char *timestamp, const struct sim_text *body,
    uint8_t mac[SHA256_DIGEST_SIZE])
{
	struct hmac_sha256_ctx hmac;

	hmac_sha256_set_key(
	    &hmac, strlen(settings->secret), (const uint8_t *)settings->secret);
	if (flaw == SEGMENTSIM_OTHER_SECRET)
		hmac_sha256_set_key(&hmac, 6, (const uint8_t *)"secret");
	if (flaw != SEGMENTSIM_BODY_ALONE)
		hmac_sha256_update(
		    &hmac, strlen(timestamp), (const uint8_t *)timestamp);
	if (flaw == SEGMENTSIM_OTHER_TIMESTAMP)
		hmac_sha256_update(&hmac, 1, (const uint8_t *)"0");
	hmac_sha256_update(&hmac, body->len, (const uint8_t *)body->at);
	if (flaw == SEGMENTSIM_OTHER_BODY)
		hmac_sha256_update(&hmac, 1, (const uint8_t *)"\n");
	hmac_sha256_digest(&hmac, SHA256_DIGEST_SIZE, mac);
	if (flaw == SEGMENTSIM_ONE_BIT)
		mac[SHA256_DIGEST_SIZE - 1] ^= 1;
}

static void
mac_write(const struct segmentsim_settings *settings,
    const uint8_t mac[SHA256_DIGEST_SIZE], struct sim_text *out)
{
	char text[BASE16_ENCODE_LENGTH(SHA256_DIGEST_SIZE)];
	size_t len = BASE64_ENCODE_RAW_LENGTH(SHA256_DIGEST_SIZE);

	if (settings->mac == SEGMENTSIM_BASE64) {
		base64_encode_raw(text, SHA256_DIGEST_SIZE, mac);
	} else {
		base16_encode_update(text, SHA256_DIGEST_SIZE, mac);
		len = sizeof(text);
	}
	sim_text_add(out, text, len);
}

/* libcurl sends a header without a value only if it ends in a semicolon. */
static void
header_write(enum segmentsim_flaw flaw, const char *timestamp,
    struct sim_text *mac, struct sim_text *header)
{
	if (flaw == SEGMENTSIM_SHORT_MAC)
		mac->at[mac->len -= 4] = '\0';
	if (flaw == SEGMENTSIM_LONG_MAC)
		sim_text_add(mac, "AAAA", 4);
	if (flaw == SEGMENTSIM_EMPTY_MAC)
		mac->at[0] = '\0';
	if (flaw == SEGMENTSIM_EMPTY_HEADER)
		sim_text_print(header, "Heap-Hash;");
	else if (flaw == SEGMENTSIM_NO_TIMESTAMP)
		sim_text_print(header, "Heap-Hash: hmac:%s", mac->at);
	else if (flaw == SEGMENTSIM_NO_MAC)
		sim_text_print(header, "Heap-Hash: ts:%s", timestamp);
	else if (flaw != SEGMENTSIM_NO_HEADER)
		sim_text_print(
		    header, "Heap-Hash: ts:%s,hmac:%s", timestamp, mac->at);
}

void
segmentsim_sign(const struct segmentsim_settings *settings,
    enum segmentsim_flaw flaw, int64_t timestamp_ms, struct sim_text *body,
    struct sim_text *header)
{
	uint8_t mac[SHA256_DIGEST_SIZE];
	struct sim_text text = {0};
	char timestamp[32];

	if (flaw == SEGMENTSIM_STALE)
		timestamp_ms -= TOO_OLD_MS;
	if (flaw == SEGMENTSIM_AHEAD)
		timestamp_ms += TOO_OLD_MS;
	snprintf(timestamp, sizeof(timestamp), "%lld",
	    (long long)(settings->unit == SEGMENTSIM_S ? timestamp_ms / 1000
						       : timestamp_ms));
	mac_make(settings, flaw, timestamp, body, mac);
	mac_write(settings, mac, &text);
	header_write(flaw, timestamp, &text, header);
	if (flaw == SEGMENTSIM_TRUNCATED)
		body->len /= 2;
	sim_text_fini(&text);
}
