#include "forwarder/pace.h"
#include "forwarder/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>

#define NOW_MS	INT64_C(1795471501000) /* Mon, 23 Nov 2026 22:05:01 GMT */
#define MOST_MS INT64_C(600000)

static void
test_whose_fault(void **state)
{
	static const struct {
		int curl_code;
		long status;
		enum verdict_fault fault;
	} cases[] = {
	    {0, 200, VERDICT_ACCEPTED},
	    {0, 204, VERDICT_ACCEPTED},
	    {0, 299, VERDICT_ACCEPTED},
	    {0, 400, VERDICT_EVENT},
	    {0, 413, VERDICT_EVENT},
	    {0, 408, VERDICT_DESTINATION},
	    {0, 429, VERDICT_DESTINATION},
	    {0, 500, VERDICT_DESTINATION},
	    {0, 503, VERDICT_DESTINATION},
	    {0, 599, VERDICT_DESTINATION},
	    {0, 600, VERDICT_DESTINATION},
	    {0, 101, VERDICT_DESTINATION},
	    {0, 0, VERDICT_DESTINATION},
	    {0, 301, VERDICT_OPERATOR},
	    {0, 308, VERDICT_OPERATOR},
	    {0, 401, VERDICT_OPERATOR},
	    {0, 403, VERDICT_OPERATOR},
	    {0, 404, VERDICT_OPERATOR},
	    {0, 422, VERDICT_OPERATOR},
	    {0, 499, VERDICT_OPERATOR},
	    {0, 407, VERDICT_OPERATOR},
	    {CURLE_COULDNT_RESOLVE_HOST, 0, VERDICT_DESTINATION},
	    {CURLE_COULDNT_CONNECT, 0, VERDICT_DESTINATION},
	    {CURLE_OPERATION_TIMEDOUT, 0, VERDICT_DESTINATION},
	    {CURLE_GOT_NOTHING, 0, VERDICT_DESTINATION},
	    {CURLE_SSL_CONNECT_ERROR, 0, VERDICT_DESTINATION},
	    {CURLE_OUT_OF_MEMORY, 0, VERDICT_DESTINATION},
	    /* An answer that broke off is none, whatever it began with. */
	    {CURLE_PARTIAL_FILE, 200, VERDICT_DESTINATION},
	    {CURLE_RECV_ERROR, 400, VERDICT_DESTINATION},
	    {CURLE_OPERATION_TIMEDOUT, 401, VERDICT_DESTINATION},
	    {CURLE_PEER_FAILED_VERIFICATION, 0, VERDICT_OPERATOR},
	    {CURLE_SSL_CACERT_BADFILE, 0, VERDICT_OPERATOR},
	    {CURLE_URL_MALFORMAT, 0, VERDICT_OPERATOR},
	    {CURLE_UNSUPPORTED_PROTOCOL, 0, VERDICT_OPERATOR},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct post_answer answer = {
		    .curl_code = cases[i].curl_code,
		    .status = cases[i].status,
		};
		struct verdict verdict;

		verdict_read(&answer, NOW_MS, MOST_MS, &verdict);
		if (verdict.fault != cases[i].fault)
			fail_msg("curl %d status %ld: %s", cases[i].curl_code,
			    cases[i].status, verdict_name(verdict.fault));
		assert_int_equal(verdict.wait_ms, 0);
		assert_int_equal(verdict.slower, cases[i].status == 429);
		assert_int_equal(verdict.smaller, cases[i].status == 413);
	}
}

/* A proxy's answers to CONNECT; curl's code is the same for all of them. */
static void
test_proxy(void **state)
{
	static const struct {
		int curl_code;
		long proxy_status;
		enum verdict_fault fault;
		bool unknown;
	} cases[] = {
	    {CURLE_RECV_ERROR, 407, VERDICT_OPERATOR, false},
	    {CURLE_COULDNT_CONNECT, 407, VERDICT_OPERATOR, false},
	    {CURLE_RECV_ERROR, 403, VERDICT_OPERATOR, false},
	    {CURLE_RECV_ERROR, 302, VERDICT_OPERATOR, false},
	    {CURLE_RECV_ERROR, 408, VERDICT_DESTINATION, false},
	    {CURLE_RECV_ERROR, 429, VERDICT_DESTINATION, false},
	    {CURLE_RECV_ERROR, 502, VERDICT_DESTINATION, false},
	    {CURLE_RECV_ERROR, 504, VERDICT_DESTINATION, false},
	    /* The tunnel stood: what came after is the destination's. */
	    {CURLE_RECV_ERROR, 200, VERDICT_DESTINATION, true},
	    {CURLE_PEER_FAILED_VERIFICATION, 200, VERDICT_OPERATOR, false},
	    {0, 200, VERDICT_ACCEPTED, false},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct post_answer answer = {
		    .curl_code = cases[i].curl_code,
		    .proxy_status = cases[i].proxy_status,
		    .status = cases[i].curl_code == 0 ? 200 : 0,
		};
		struct verdict verdict;

		verdict_read(&answer, NOW_MS, MOST_MS, &verdict);
		assert_int_equal(verdict.fault, cases[i].fault);
		assert_int_equal(verdict.unknown, cases[i].unknown);
	}
}

static void
test_retry_after(void **state)
{
	static const struct {
		long status;
		const char *text;
		int64_t wait_ms;
	} cases[] = {
	    {503, "0", 0},
	    {503, "7", 7000},
	    {429, "  120 ", 120000},
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
	    {503, "Mon, 23 Nov 2099 22:06:01 GMT", MOST_MS},
	    {503, "Mon, 23 Nov 2026 22:06:01 GMT, or later", 0},
	    {503,
		"Mon, 23 Nov 2026 22:06:01 GMTxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		0},
	    /* Only an answer that says "later" may say when. */
	    {400, "60", 0},
	    {200, "60", 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct post_answer answer = {
		    .status = cases[i].status,
		    .retry_after = cases[i].text,
		};
		struct verdict verdict;

		verdict_read(&answer, NOW_MS, MOST_MS, &verdict);
		if (verdict.wait_ms != cases[i].wait_ms)
			fail_msg("\"%s\": %lld", cases[i].text,
			    (long long)verdict.wait_ms);
	}
}

static void
test_backoff(void **state)
{
	struct backoff backoff, same;
	int64_t cap_ms = 100, sum_ms = 0, wait_ms;
	int i;

	(void)state;
	backoff_init(&backoff, 100, 5000, 42);
	backoff_init(&same, 100, 5000, 42);
	for (i = 0; i < 1000; i++) {
		wait_ms = backoff_next(&backoff);
		assert_int_equal(wait_ms, backoff_next(&same));
		assert_true(wait_ms >= 0 && wait_ms <= cap_ms);
		cap_ms = cap_ms * 2 > 5000 ? 5000 : cap_ms * 2;
		sum_ms += wait_ms;
	}
	/* Full jitter: evenly from nothing to the cap. */
	assert_true(sum_ms / 1000 > 2200 && sum_ms / 1000 < 2800);
	backoff_reset(&backoff);
	for (i = 0; i < 100; i++) {
		backoff_reset(&backoff);
		assert_true(backoff_next(&backoff) <= 100);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whose_fault),
	    cmocka_unit_test(test_proxy),
	    cmocka_unit_test(test_retry_after),
	    cmocka_unit_test(test_backoff),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
