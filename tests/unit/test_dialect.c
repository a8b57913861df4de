/*
 * The plain reading of an HTTP answer.
 */

#include "schema/dialect.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW_MS	INT64_C(1795471501000) /* Mon, 23 Nov 2026 22:05:01 GMT */
#define MOST_MS INT64_C(600000)

static const char *
header(void *arg, const char *name)
{
	return strcmp(name, "Retry-After") == 0 ? arg : NULL;
}

static struct outlet_verdict
judge(enum outlet_transport transport, bool ours, unsigned status,
    const char *retry_after, enum outlet_outcome *ret_outcome)
{
	const struct outlet_answer answer = {
	    .transport = transport,
	    .trouble = "",
	    .trouble_ours = ours,
	    .status = status,
	    .header = header,
	    .arg = (void *)(uintptr_t)retry_after,
	    .now_ms = NOW_MS,
	};
	enum outlet_outcome outcomes[3];
	struct outlet_verdict verdict;

	outlet_judge_http(&answer, MOST_MS, 3, outcomes, &verdict);
	assert_int_equal(outcomes[0], outcomes[1]);
	assert_int_equal(outcomes[0], outcomes[2]);
	*ret_outcome = outcomes[0];
	return verdict;
}

static void
test_whose_fault(void **state)
{
	static const struct {
		enum outlet_transport transport;
		bool ours;
		unsigned status;
		enum outlet_verdict_kind kind;
		enum outlet_outcome outcome;
	} cases[] = {
	    {OUTLET_WHOLE, false, 200, OUTLET_VERDICT_ACCEPTED,
		OUTLET_ACCEPTED},
	    {OUTLET_WHOLE, false, 204, OUTLET_VERDICT_ACCEPTED,
		OUTLET_ACCEPTED},
	    {OUTLET_WHOLE, false, 299, OUTLET_VERDICT_ACCEPTED,
		OUTLET_ACCEPTED},
	    {OUTLET_WHOLE, false, 400, OUTLET_VERDICT_REFUSED, OUTLET_REFUSED},
	    {OUTLET_WHOLE, false, 413, OUTLET_VERDICT_REFUSED, OUTLET_REFUSED},
	    {OUTLET_WHOLE, false, 422, OUTLET_VERDICT_REFUSED, OUTLET_REFUSED},
	    {OUTLET_WHOLE, false, 301, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 308, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 401, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 403, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 404, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 407, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 429, OUTLET_VERDICT_FAILED, OUTLET_NOT_TAKEN},
	    {OUTLET_WHOLE, false, 408, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 410, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 499, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 500, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 503, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 600, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 101, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_WHOLE, false, 0, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    /* An answer that is not whole is none, whatever it began with. */
	    {OUTLET_CUT, false, 200, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_CUT, false, 400, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_CUT, false, 401, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_UNKNOWN, false, 0, OUTLET_VERDICT_FAILED, OUTLET_FAILED},
	    {OUTLET_UNSENT, false, 0, OUTLET_VERDICT_FAILED, OUTLET_NOT_TAKEN},
	    {OUTLET_UNSENT, true, 0, OUTLET_VERDICT_DENIED, OUTLET_NOT_TAKEN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum outlet_outcome outcome;
		struct outlet_verdict verdict = judge(cases[i].transport,
		    cases[i].ours, cases[i].status, NULL, &outcome);
		bool whole = cases[i].transport == OUTLET_WHOLE;

		if (verdict.kind != cases[i].kind ||
		    outcome != cases[i].outcome)
			fail_msg("case %zu, status %u: %d, %d", i,
			    cases[i].status, verdict.kind, outcome);
		assert_int_equal(verdict.unknown, outcome == OUTLET_FAILED);
		assert_int_equal(
		    verdict.slower, whole && cases[i].status == 429);
		assert_int_equal(
		    verdict.smaller, whole && cases[i].status == 413);
		assert_int_equal(verdict.advice != NULL,
		    verdict.kind == OUTLET_VERDICT_DENIED);
		assert_int_equal(verdict.wait_ms, 0);
	}
}

static void
test_retry_after(void **state)
{
	static const struct {
		unsigned status;
		const char *text;
		int64_t wait_ms;
	} cases[] = {
	    {503, "0", 0},
	    {503, "7", 7000},
	    {429, "  120 ", 120000},
	    {408, "9", 9000},
	    {503, "600", 600000},
	    {503, "601", MOST_MS},
	    {503, "99999999999999999999999999", MOST_MS},
	    {503, "-5", 0},
	    {503, "1.5", 0},
	    {503, "", 0},
	    {503, "soon", 0},
	    {503, "Mon, 23 Nov 2026 22:06:01 GMT", 60000},
	    {503, "Monday, 23-Nov-26 22:06:01 GMT", 60000},
	    {503, "Mon Nov 23 22:06:01 2026", 60000},
	    {503, "Mon, 23 Nov 2026 22:04:01 GMT", 0},
	    {503, "Mon, 23 Nov 2036 22:04:01 GMT", MOST_MS},
	    {503, "Mon, 23 Nov 2026 22:06:01 GMT and so on, and so on, and on",
		0},
	    /* only a failure waits */
	    {400, "7", 0},
	    {401, "7", 0},
	    {200, "7", 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum outlet_outcome outcome;
		struct outlet_verdict verdict = judge(OUTLET_WHOLE, false,
		    cases[i].status, cases[i].text, &outcome);

		if (verdict.wait_ms != cases[i].wait_ms)
			fail_msg("\"%s\": %lld", cases[i].text,
			    (long long)verdict.wait_ms);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whose_fault),
	    cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
