/*
 * The signature of a page, by macs that another program computed.
 */

#include "schema/segments/segments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NOW_MS	  INT64_C(1795471501003)
#define MINUTE_MS INT64_C(60000)
#define INTAKE	  segments_intake

/* Of BODY, by "first-secret" unless it says otherwise. */
#define BODY	    "{\"action_type\":\"segment.users.sync\"}"
#define MAC	    "y+3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JA="
#define MAC_SECOND  "27P+dTJbb1BK1ydWUm7UMkVpqTkUkCZaVSb5Klvk66g="
#define MAC_SECONDS "85c1st5HpVFVVhHLZcVeD3OSD+L7iB+ZpDU4pDKWNyM="
#define MAC_ZERO    "srQeaa2Tj0A6jbebTuLfcIhBJpAiGWYDYJnc1k5VJzY="
#define MAC_NINE    "Gm8XxD4j2osgbMTIaAnrrvjheqmRJqhyqFP5OJbWTn0="
#define MAC_EMPTY   "WRdcJyTMhiHUGWTDXcYKYKKBWd+YgCnRCb8JLfcH0jc="
#define MAC_NO_KEY  "v/T+GSJMZ9aUTyMjs1jh2LFUb9EK7+THyocwBEzWMMI="
#define HEX_LOWER                                                              \
	"cbeddb91debf2ea2c1a7ae4a892cfa22abf5f19981df13892c2a019cd0efd090"
#define HEX_UPPER                                                              \
	"CBEDDB91DEBF2EA2C1A7AE4A892CFA22ABF5F19981DF13892C2A019CD0EFD090"
#define TS "ts:1795471501003,hmac:"

static const char *const first[] = {"first-secret", NULL};
static const char *const second[] = {"second-secret", NULL};
static const char *const empty[] = {"", NULL};
static const char *const none[] = {NULL};
static const char *const both[] = {"second-secret", "first-secret", NULL};
static const char *const eight[] = {
    "1", "2", "3", "4", "5", "6", "second-secret", "first-secret", NULL};

static const char *
header(void *arg, const char *name)
{
	return strcmp(name, "Heap-Hash") == 0 ? arg : NULL;
}

/* Prove a body that comes in two pieces. */
static enum intake_cause
prove(const char *const *secrets, const char *hash, const char *body,
    size_t split, int64_t now_ms)
{
	struct segments_settings settings;
	struct intake_context *context;
	void *proof = calloc(1, INTAKE.proof_size);
	enum intake_cause cause;

	assert_non_null(proof);
	segments_settings_init(&settings);
	assert_true(INTAKE.context_new(&settings, &context, NULL));
	cause =
	    INTAKE.proof_begin(proof, secrets, header, (void *)(uintptr_t)hash);
	if (cause == INTAKE_TAKEN) {
		INTAKE.proof_add(proof, body, split);
		INTAKE.proof_add(proof, body + split, strlen(body) - split);
		cause = INTAKE.proof_end(proof, context, now_ms);
	}
	INTAKE.context_free(context);
	free(proof);
	return cause;
}

static const struct {
	const char *hash, *body;
	const char *const *secrets;
	enum intake_cause cause;
	int64_t now_ms;
} cases[] = {
    /* good */
    {TS MAC, BODY, first, INTAKE_TAKEN, NOW_MS},
    {TS HEX_LOWER, BODY, first, INTAKE_TAKEN, NOW_MS},
    {TS HEX_UPPER, BODY, first, INTAKE_TAKEN, NOW_MS},
    {TS MAC, BODY, both, INTAKE_TAKEN, NOW_MS},
    {TS MAC_SECOND, BODY, both, INTAKE_TAKEN, NOW_MS},
    {TS MAC, BODY, eight, INTAKE_TAKEN, NOW_MS},
    {TS MAC_SECOND, BODY, eight, INTAKE_TAKEN, NOW_MS},
    {TS MAC_EMPTY, "", first, INTAKE_TAKEN, NOW_MS},
    {" ts:1795471501003 , hmac: " MAC " ", BODY, first, INTAKE_TAKEN, NOW_MS},
    {"hmac:" MAC ",ts:1795471501003", BODY, first, INTAKE_TAKEN, NOW_MS},
    {"v:1," TS MAC ",", BODY, first, INTAKE_TAKEN, NOW_MS},
    {"ts:1795471501,hmac:" MAC_SECONDS, BODY, first, INTAKE_TAKEN, NOW_MS},
    /* the mac is of the time as it is written */
    {"ts:01795471501003,hmac:" MAC_ZERO, BODY, first, INTAKE_TAKEN, NOW_MS},
    /* the specification's example, in March 1973 and now */
    {"ts:123456789,hmac:" MAC_NINE, BODY, first, INTAKE_TAKEN,
	INT64_C(123456789000)},
    {"ts:123456789,hmac:" MAC_NINE, BODY, first, INTAKE_PROOF_STALE, NOW_MS},
    /* another body, time, secret, or none of these */
    {TS MAC, BODY " ", first, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC, "", first, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC_EMPTY, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {"ts:1795471501004,hmac:" MAC, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {"ts:1795471501,hmac:" MAC, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC_SECOND, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC, BODY, second, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC, BODY, none, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC, BODY, NULL, INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC_NO_KEY, BODY, empty, INTAKE_PROOF_BAD, NOW_MS},
    {TS "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", BODY, none,
	INTAKE_PROOF_BAD, NOW_MS},
    /* a stranger does not learn whether the time would do */
    {"ts:1,hmac:" MAC, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    /* no mac at all: cut, without padding, of another alphabet, with bits
     * that say nothing, too long */
    {TS "y", BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {TS "y+3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JA", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS "y-3bkd6_LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JA=", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS "y+3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JB=", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS "y+3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JAA", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS "y 3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv0JA=", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS "====y+3bkd6/LqLBp65KiSz6Iqv18ZmB3xOJLCoBnNDv", BODY, first,
	INTAKE_PROOF_BAD, NOW_MS},
    {TS MAC MAC, BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {TS HEX_LOWER "00", BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    {TS "gbeddb91debf2ea2c1a7ae4a892cfa22abf5f19981df13892c2a019cd0efd090",
	BODY, first, INTAKE_PROOF_BAD, NOW_MS},
    /* no signature */
    {NULL, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"", BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {",", BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:1795471501003", BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:,hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {TS, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:-1795471501003,hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:1795471501003.5,hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:0x1795471501003,hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {"ts:1795471501003000000,hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING,
	NOW_MS},
    {"TS:1795471501003,HMAC:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    /* which of two counts is a guess */
    {TS MAC ",ts:1795471501003", BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    {TS MAC ",hmac:" MAC, BODY, first, INTAKE_PROOF_MISSING, NOW_MS},
    /* a time is as old as the window, or ahead as far; then it is stale */
    {TS MAC, BODY, first, INTAKE_TAKEN, NOW_MS + 5 * MINUTE_MS},
    {TS MAC, BODY, first, INTAKE_TAKEN, NOW_MS - 5 * MINUTE_MS},
    {TS MAC, BODY, first, INTAKE_PROOF_STALE, NOW_MS + 5 * MINUTE_MS + 1},
    {TS MAC, BODY, first, INTAKE_PROOF_STALE, NOW_MS - 5 * MINUTE_MS - 1},
    {TS MAC, BODY, first, INTAKE_PROOF_STALE, 0},
    {"ts:1795471501,hmac:" MAC_SECONDS, BODY, first, INTAKE_PROOF_STALE,
	NOW_MS + 6 * MINUTE_MS},
};

/* However a body is cut, it is the same body. */
static void
test_causes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t split = 0; split <= strlen(cases[i].body);
		     split++) {
			enum intake_cause cause =
			    prove(cases[i].secrets, cases[i].hash,
				cases[i].body, split, cases[i].now_ms);

			if (cause != cases[i].cause)
				fail_msg("case %zu, %s, cut at %zu: %d", i,
				    cases[i].hash, split, cause);
		}
	}
}

/* A flipped bit anywhere in the body or in the mac is seen. */
static void
test_flips(void **state)
{
	char body[] = BODY, hash[] = TS HEX_LOWER;
	size_t mac = strlen(TS);

	(void)state;
	for (size_t i = 0; i < strlen(BODY); i++) {
		body[i] ^= 1;
		assert_int_equal(
		    prove(first, TS MAC, body, 0, NOW_MS), INTAKE_PROOF_BAD);
		body[i] ^= 1;
	}
	for (size_t i = mac; i < sizeof(hash) - 1; i++) {
		char was = hash[i];

		hash[i] = was == '0' ? '1' : '0';
		assert_int_equal(
		    prove(first, hash, BODY, 0, NOW_MS), INTAKE_PROOF_BAD);
		hash[i] = was;
	}
	assert_int_equal(prove(first, hash, body, 0, NOW_MS), INTAKE_TAKEN);
}

static void
test_window(void **state)
{
	struct segments_settings settings = {.window_ms = 1000};
	struct intake_context *context;
	void *proof = calloc(1, INTAKE.proof_size);

	(void)state;
	assert_non_null(proof);
	assert_true(INTAKE.context_new(&settings, &context, NULL));
	for (int late = 0; late < 2; late++) {
		memset(proof, 0, INTAKE.proof_size);
		assert_int_equal(INTAKE.proof_begin(proof, first, header,
				     (void *)(uintptr_t)(TS MAC)),
		    INTAKE_TAKEN);
		INTAKE.proof_add(proof, BODY, strlen(BODY));
		assert_int_equal(
		    INTAKE.proof_end(proof, context, NOW_MS + 1000 + late),
		    late ? INTAKE_PROOF_STALE : INTAKE_TAKEN);
	}
	INTAKE.context_free(context);
	free(proof);
}

/* A secret that is longer than a block of SHA-256 is hashed first. */
static void
test_long_secret(void **state)
{
	static const char *const secrets[] = {
	    "0123456789012345678901234567890123456789"
	    "0123456789012345678901234567890123456789",
	    NULL};

	(void)state;
	assert_int_equal(
	    prove(secrets, TS "mIAxG2JblUdxLsot7A/Jf0KdC4zrUs71pjTw20AbxWg=",
		BODY, 7, NOW_MS),
	    INTAKE_TAKEN);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_causes),
	    cmocka_unit_test(test_flips),
	    cmocka_unit_test(test_window),
	    cmocka_unit_test(test_long_secret),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
