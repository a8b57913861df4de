#ifndef SCHEMA_SEGMENTS_SIGNATURE_H
#define SCHEMA_SEGMENTS_SIGNATURE_H

/*
 * The signature of a post: see intake.proof_begin and the two after it.
 * Internal to this folder.
 */

#include "base/digest.h"
#include "schema/segments/segments.h"

struct signature {
	int64_t time_ms;				 /* as claimed */
	unsigned char mac[DIGEST_SHA256];		 /* as claimed */
	size_t count;					 /* of secrets */
	struct digest_hmac hmacs[SEGMENTS_SECRETS_MOST]; /* one for each */
};

/* Has the request no signature of that form? Then it is no one's who knows how
 * Heap posts. */
bool signature_missing(intake_header_fn *header, void *arg);

enum intake_cause signature_begin(struct signature *signature,
    const char *const *secrets, intake_header_fn *header, void *arg);
void signature_add(struct signature *signature, const void *raw, size_t len);
enum intake_cause
signature_end(struct signature *signature, int64_t window_ms, int64_t now_ms);

#endif
