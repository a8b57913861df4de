/*
 * The segment webhook over any bytes: the first line is the header, the rest
 * the body. A signature that we make is valid, and no other is; what is read
 * becomes changes or dead letters, and reading it again gives the same.
 */

#include "base/digest.h"
#include "schema/segments/segments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS_MAX = 1000, HEADER_MAX = 1000 };

#define NOW_MS INT64_C(1795471501003)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const secrets[] = {"one", "two", NULL};

static const char *
header_read(void *arg, const char *name)
{
	CHECK(strcmp(name, "Heap-Hash") == 0);
	return arg;
}

static enum intake_cause
prove(const struct intake_context *context, char *header, struct str body)
{
	void *proof = calloc(1, segments_intake.proof_size);
	enum intake_cause cause;

	CHECK(proof != NULL);
	cause =
	    segments_intake.proof_begin(proof, secrets, header_read, header);
	if (cause == INTAKE_TAKEN) {
		segments_intake.proof_add(proof, body.data, body.len / 2);
		segments_intake.proof_add(
		    proof, body.data + body.len / 2, body.len - body.len / 2);
		cause = segments_intake.proof_end(proof, context, NOW_MS);
	}
	free(proof);
	return cause;
}

static void
check_own_signature(const struct intake_context *context, struct str body)
{
	static const char time[] = "1795471501";
	unsigned char mac[DIGEST_SHA256];
	char header[HEADER_MAX];
	struct digest_hmac hmac;
	int len;

	digest_hmac_begin(&hmac, secrets[1], strlen(secrets[1]));
	digest_hmac_add(&hmac, time, strlen(time));
	digest_hmac_add(&hmac, body.data, body.len);
	digest_hmac_end(&hmac, mac);
	len = snprintf(header, sizeof(header), "ts:%s,hmac:", time);
	for (size_t i = 0; i < sizeof(mac); i++)
		len += snprintf(
		    header + len, sizeof(header) - (size_t)len, "%02x", mac[i]);
	CHECK(prove(context, header, body) == INTAKE_TAKEN);
	header[len - 1] = header[len - 1] == '0' ? '1' : '0';
	CHECK(prove(context, header, body) == INTAKE_PROOF_BAD);
}

static void
check_batch(const struct intake_batch *batch)
{
	CHECK(batch->count <= ITEMS_MAX && batch->page.group.len > 0);
	CHECK(batch->page.sync.len > 0 ||
	      (batch->page.number == 0 && batch->page.total == 0));
	for (size_t i = 0; i < batch->count; i++) {
		const struct item *item = &batch->items[i];
		struct str member;
		bool wanted;

		CHECK(str_equal(item->type, batch->page.group));
		CHECK(item->id.len == 0 && item->data.len > 0);
		if (item->fate == ITEM_DEAD) {
			CHECK(item->reason != NULL);
			CHECK(!item_change_read(item->data, &member, &wanted));
			continue;
		}
		CHECK(item->fate == ITEM_QUEUE && item->reason == NULL);
		CHECK(item_change_read(item->data, &member, &wanted));
		CHECK(member.len <= SEGMENTS_ID_MOST);
	}
}

static void
check_read(const struct intake_context *context, struct str body)
{
	struct intake_reader *one = segments_intake.reader_new(context);
	struct intake_reader *other = segments_intake.reader_new(context);
	struct intake_batch batch = {0}, again = {0};
	enum intake_cause cause;

	CHECK(one != NULL && other != NULL);
	cause = segments_intake.read(
	    one, body, ITEMS_MAX, false, NULL, NULL, &batch);
	CHECK(segments_intake.read(
		  other, body, ITEMS_MAX, true, NULL, NULL, &again) == cause);
	switch (cause) {
	case INTAKE_TAKEN:
		check_batch(&batch);
		check_batch(&again);
		CHECK(batch.count == again.count);
		break;
	case INTAKE_UNREADABLE:
	case INTAKE_SHAPE:
	case INTAKE_TOO_LARGE:
		CHECK(batch.at <= body.len && batch.why[0] != '\0');
		break;
	case INTAKE_PROBE:
	case INTAKE_PROOF_MISSING:
	case INTAKE_PROOF_BAD:
	case INTAKE_PROOF_STALE:
	case INTAKE_ENCODING:
	case INTAKE_METHOD:
	case INTAKE_PATH:
	case INTAKE_BUSY:
	case INTAKE_CAUSES:
		NEVER("not of a body");
	}
	segments_intake.reader_free(one);
	segments_intake.reader_free(other);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;
	size_t len = end != NULL ? (size_t)(end - data) : 0;
	size_t skip = end != NULL ? len + 1 : 0;
	struct str body = str_bytes((const char *)data + skip, size - skip);
	struct segments_settings settings;
	struct intake_context *context;
	char header[HEADER_MAX];

	segments_settings_init(&settings);
	CHECK(segments_intake.context_new(&settings, &context, NULL));
	if (len < sizeof(header) && end != NULL) {
		memcpy(header, data, len);
		header[len] = '\0';
		(void)prove(context, header, body);
	}
	check_own_signature(context, body);
	check_read(context, body);
	segments_intake.context_free(context);
	return 0;
}
