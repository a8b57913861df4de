#include "forwarder/verdict.h"

#include <curl/curl.h> /* the names of its codes; only post.c calls it */
#include <string.h>
#include <time.h>

enum { VERDICT_RETRY_AFTER_MAX = 64 }; /* bytes of that header */

/*
 * An incomplete answer is the destination's fault, whatever status it began
 * with: what the destination did is unknown, and the idempotency keys make it
 * harmless to post again. The operator must act only on trouble that no retry
 * can fix.
 */
static bool
verdict_curl_needs_operator(int code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
		return true;
	default:
		return false;
	}
}

/* It ended before the request began: the destination has nothing of it. */
static bool
verdict_curl_unsent(int code)
{
	switch (code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return verdict_curl_needs_operator(code);
	}
}

static enum verdict_fault
verdict_of_status(long status)
{
	if (status >= 200 && status < 300)
		return VERDICT_ACCEPTED;
	if (status == 400 || status == 413)
		return VERDICT_EVENT;
	if (status == 408 || status == 429)
		return VERDICT_DESTINATION;
	if (status >= 300 && status < 500)
		return VERDICT_OPERATOR;
	return VERDICT_DESTINATION;
}

/* Delay in seconds, digits only (RFC 9110, 10.2.3). -1: it is not one. */
static int64_t
verdict_seconds_read(const char *text, int64_t most_ms)
{
	int64_t seconds = 0;

	if (*text == '\0')
		return -1;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -1;
		seconds = seconds * 10 + (*text - '0');
		if (seconds > most_ms / 1000)
			seconds = most_ms / 1000 + 1;
	}
	return seconds * 1000;
}

/* The three forms of an HTTP date (RFC 9110, 5.6.7). -1: it is none. */
static int64_t
verdict_date_read(const char *text, int64_t now_ms)
{
	static const char *const forms[] = {
	    "%a, %d %b %Y %H:%M:%S GMT",
	    "%A, %d-%b-%y %H:%M:%S GMT",
	    "%a %b %d %H:%M:%S %Y",
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {0};
		const char *end = strptime(text, forms[i], &tm);
		int64_t at_ms;

		if (end == NULL || *end != '\0')
			continue;
		at_ms = (int64_t)timegm(&tm) * 1000;
		return at_ms > now_ms ? at_ms - now_ms : 0;
	}
	return -1;
}

/* How long to wait by that header; 0 if it is not legible. */
static int64_t
verdict_retry_after_read(const char *header, int64_t now_ms, int64_t most_ms)
{
	char text[VERDICT_RETRY_AFTER_MAX];
	int64_t wait_ms;
	size_t len;

	header += strspn(header, " \t");
	len = strlen(header);
	while (len > 0 && (header[len - 1] == ' ' || header[len - 1] == '\t'))
		len--;
	if (len >= sizeof(text))
		return 0;
	memcpy(text, header, len);
	text[len] = '\0';
	wait_ms = verdict_seconds_read(text, most_ms);
	if (wait_ms < 0)
		wait_ms = verdict_date_read(text, now_ms);
	if (wait_ms < 0)
		return 0;
	return wait_ms < most_ms ? wait_ms : most_ms;
}

void
verdict_read(const struct post_answer *answer, int64_t now_ms,
    int64_t retry_after_most_ms, struct verdict *ret_verdict)
{
	bool tunnel =
	    answer->proxy_status == 0 ||
	    (answer->proxy_status >= 200 && answer->proxy_status < 300);
	struct verdict verdict = {0};

	if (answer->curl_code != 0 && !tunnel) {
		/* The destination has nothing of it, and no status of a proxy
		 * is about the events. */
		verdict.fault = verdict_of_status(answer->proxy_status);
		if (verdict.fault == VERDICT_EVENT)
			verdict.fault = VERDICT_OPERATOR;
	} else if (answer->curl_code != 0) {
		verdict.fault = verdict_curl_needs_operator(answer->curl_code)
				    ? VERDICT_OPERATOR
				    : VERDICT_DESTINATION;
		verdict.unknown = !verdict_curl_unsent(answer->curl_code);
	} else {
		verdict.fault = verdict_of_status(answer->status);
		verdict.slower = answer->status == 429;
		verdict.smaller = answer->status == 413;
		verdict.unknown = verdict.fault == VERDICT_DESTINATION &&
				  answer->status != 429;
		if (verdict.fault == VERDICT_DESTINATION &&
		    answer->retry_after != NULL)
			verdict.wait_ms = verdict_retry_after_read(
			    answer->retry_after, now_ms, retry_after_most_ms);
	}
	*ret_verdict = verdict;
}

const char *
verdict_name(enum verdict_fault fault)
{
	switch (fault) {
	case VERDICT_ACCEPTED:
		return "accepted";
	case VERDICT_DESTINATION:
		return "destination";
	case VERDICT_OPERATOR:
		return "operator";
	case VERDICT_EVENT:
		return "event";
	}
	return "unknown";
}
