/*
 * Heap signs each post with a secret that its customer's Developers Hub shows:
 *
 *	Heap-Hash: ts:1795471501000,hmac:47DEQpj8HBSa+/TImW+5...=
 *
 * The mac is HMAC-SHA-256 over the time, as it is written there, directly
 * followed by the raw body. Heap's own code writes Base64; its specification
 * does not say, so hex is accepted too. The time is milliseconds in the code
 * and seconds in the specification's example.
 *
 * Heap's example for receivers refuses what is a minute old, so Heap must sign
 * each attempt anew, and a time outside the window is a replay, or a wrong
 * clock here or there. Within the window the same page may come again; that it
 * counts only once is the queue's concern.
 *
 * While secrets change hands several are valid. One HMAC runs for each, because
 * a body is not kept for the sake of its signature. All are compared, whichever
 * matches.
 */

#include "schema/segments/signature.h"

#include "base/str.h"

enum {
	SIGNATURE_DIGITS = 18, /* of a time: it fits into an int64_t */
	SIGNATURE_HEX = 2 * DIGEST_SHA256,
	SIGNATURE_BASE64 = 44,
};

/* As milliseconds this is March 1973, as seconds the year 5138. */
#define SIGNATURE_SECONDS_BEFORE INT64_C(100000000000)

/* ---- the header ---- */

static struct str
signature_trim(struct str text)
{
	while (text.len > 0 && (*text.data == ' ' || *text.data == '\t'))
		text = str_bytes(text.data + 1, text.len - 1);
	while (text.len > 0 && (text.data[text.len - 1] == ' ' ||
				   text.data[text.len - 1] == '\t'))
		text.len--;
	return text;
}

/* Cut off what is before the first such character; all of it if there is
 * none. */
static struct str
signature_cut(struct str *rest, char at)
{
	const char *end = memchr(rest->data, at, rest->len);
	size_t len = end != NULL ? (size_t)(end - rest->data) : rest->len;
	size_t step = end != NULL ? len + 1 : len;
	struct str head = str_bytes(rest->data, len);

	*rest = str_bytes(rest->data + step, rest->len - step);
	return signature_trim(head);
}

/* Find both fields, each once. */
static bool
signature_fields(struct str header, struct str *ret_time, struct str *ret_mac)
{
	struct str time = {0}, mac = {0};

	while (header.len > 0) {
		struct str value = signature_cut(&header, ',');
		struct str name = signature_cut(&value, ':');
		struct str *field = str_equal_text(name, "ts")	   ? &time
				    : str_equal_text(name, "hmac") ? &mac
								   : NULL;

		if (field == NULL)
			continue;
		if (field->data != NULL)
			return false;
		*field = signature_trim(value);
	}
	*ret_time = time;
	*ret_mac = mac;
	return time.len > 0 && mac.len > 0;
}

static bool
signature_time(struct str text, int64_t *ret_ms)
{
	int64_t time = 0;

	if (text.len == 0 || text.len > SIGNATURE_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		time = time * 10 + (text.data[i] - '0');
	}
	*ret_ms = time < SIGNATURE_SECONDS_BEFORE ? time * 1000 : time;
	return true;
}

/* ---- the mac ---- */

/* Read digits of so many bits each; the bits that are left over must be 0. */
static bool
signature_digits(struct str text, const char *digits, unsigned bits,
    unsigned char ret[DIGEST_SHA256])
{
	unsigned word = 0, have = 0;
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		const char *digit = memchr(digits, text.data[i], 1U << bits);

		if (digit == NULL)
			return false;
		word = (word << bits | (unsigned)(digit - digits)) & 0xffff;
		have += bits;
		if (have >= 8 && len < DIGEST_SHA256) {
			have -= 8;
			ret[len++] = (unsigned char)(word >> have);
		}
	}
	return len == DIGEST_SHA256 && (word & ((1U << have) - 1)) == 0;
}

static bool
signature_mac(struct str text, unsigned char ret[DIGEST_SHA256])
{
	char lower[SIGNATURE_HEX];

	if (text.len == SIGNATURE_BASE64)
		return text.data[SIGNATURE_BASE64 - 1] == '=' &&
		       signature_digits(
			   str_bytes(text.data, SIGNATURE_BASE64 - 1),
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			   "abcdefghijklmnopqrstuvwxyz0123456789+/",
			   6, ret);
	if (text.len != SIGNATURE_HEX)
		return false;
	for (size_t i = 0; i < SIGNATURE_HEX; i++) {
		char c = text.data[i];

		lower[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
	}
	return signature_digits(
	    str_bytes(lower, SIGNATURE_HEX), "0123456789abcdef", 4, ret);
}

/* ---- the proof ---- */

/* Read the header; *ret_time is as it is written there. */
static enum intake_cause
signature_read(struct signature *signature, intake_header_fn *header, void *arg,
    struct str *ret_time)
{
	struct str mac;

	if (!signature_fields(
		str_text(header(arg, "Heap-Hash")), ret_time, &mac) ||
	    !signature_time(*ret_time, &signature->time_ms))
		return INTAKE_PROOF_MISSING;
	return signature_mac(mac, signature->mac) ? INTAKE_TAKEN
						  : INTAKE_PROOF_BAD;
}

bool
signature_missing(intake_header_fn *header, void *arg)
{
	struct signature signature;
	struct str time;

	return signature_read(&signature, header, arg, &time) != INTAKE_TAKEN;
}

enum intake_cause
signature_begin(struct signature *signature, const char *const *secrets,
    intake_header_fn *header, void *arg)
{
	struct str time;
	enum intake_cause cause = signature_read(signature, header, arg, &time);

	if (cause != INTAKE_TAKEN)
		return cause;
	for (; secrets != NULL && *secrets != NULL; secrets++) {
		struct digest_hmac *hmac;

		if (**secrets == '\0')
			continue; /* everyone could sign with it */
		CHECK(signature->count < SEGMENTS_SECRETS_MOST);
		hmac = &signature->hmacs[signature->count++];
		digest_hmac_begin(hmac, *secrets, strlen(*secrets));
		digest_hmac_add(hmac, time.data, time.len);
	}
	return INTAKE_TAKEN;
}

void
signature_add(struct signature *signature, const void *raw, size_t len)
{
	for (size_t i = 0; i < signature->count; i++)
		digest_hmac_add(&signature->hmacs[i], raw, len);
}

enum intake_cause
signature_end(struct signature *signature, int64_t window_ms, int64_t now_ms)
{
	unsigned char mac[DIGEST_SHA256];
	bool valid = false;

	for (size_t i = 0; i < signature->count; i++) {
		digest_hmac_end(&signature->hmacs[i], mac);
		valid |= digest_equal(mac, signature->mac, sizeof(mac));
	}
	if (!valid)
		return INTAKE_PROOF_BAD;
	if (now_ms - signature->time_ms > window_ms ||
	    signature->time_ms - now_ms > window_ms)
		return INTAKE_PROOF_STALE;
	return INTAKE_TAKEN;
}
