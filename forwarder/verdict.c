#include "forwarder/verdict.h"

#include <curl/curl.h> /* the names of its codes; only post.c calls it */
#include <string.h>
#include <time.h>

/*
 * An answer that did not come whole is the destination's, whatever status it
 * began with: what Heap did is unknown, and the idempotency keys make it
 * harmless to ask again. Only what cannot mend itself stops the lane.
 */
static enum verdict_fault
verdict_of_curl(int code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
		return VERDICT_OPERATOR;
	default:
		return VERDICT_DESTINATION;
	}
}

/* It ended before the request began: the destination has nothing of it. */
static bool
verdict_unsent(int code)
{
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_NOT_BUILT_IN:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_CERTPROBLEM:
		return true;
	default:
		return false;
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

/* A proxy that opened no tunnel: the destination has nothing of it. */
static bool
verdict_proxy_refused(const struct verdict_input *input)
{
	return input->proxy_status != 0 &&
	       (input->proxy_status < 200 || input->proxy_status >= 300);
}

/* It wants a password (407), or forbids the place: that no time mends. */
static enum verdict_fault
verdict_of_proxy(long status)
{
	if (status >= 300 && status < 500 && status != 408 && status != 429)
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
	const char *end;
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = {0};
		int64_t at_ms;

		end = strptime(text, forms[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		at_ms = (int64_t)timegm(&tm) * 1000;
		return at_ms > now_ms ? at_ms - now_ms : 0;
	}
	return -1;
}

static int64_t
verdict_wait_read(const struct verdict_input *input)
{
	char text[VERDICT_RETRY_AFTER + 1];
	const char *start = input->retry_after;
	int64_t wait_ms;
	size_t len;

	if (start == NULL)
		return 0;
	start += strspn(start, " \t");
	len = strlen(start);
	while (len > 0 && (start[len - 1] == ' ' || start[len - 1] == '\t'))
		len--;
	if (len >= sizeof(text))
		return 0;
	memcpy(text, start, len);
	text[len] = '\0';
	wait_ms = verdict_seconds_read(text, input->retry_after_most_ms);
	if (wait_ms < 0)
		wait_ms = verdict_date_read(text, input->now_ms);
	if (wait_ms < 0)
		return 0;
	if (wait_ms > input->retry_after_most_ms)
		return input->retry_after_most_ms;
	return wait_ms;
}

void
verdict_read(const struct verdict_input *input, struct verdict *ret_verdict)
{
	struct verdict verdict = {0};

	if (input->curl_code != 0 && verdict_proxy_refused(input)) {
		verdict.fault = verdict_of_proxy(input->proxy_status);
		*ret_verdict = verdict;
		return;
	}
	if (input->curl_code != 0) {
		verdict.fault = verdict_of_curl(input->curl_code);
		verdict.unknown = !verdict_unsent(input->curl_code);
		*ret_verdict = verdict;
		return;
	}
	verdict.fault = verdict_of_status(input->status);
	if (verdict.fault == VERDICT_DESTINATION)
		verdict.wait_ms = verdict_wait_read(input);
	verdict.slower = input->status == 429;
	verdict.smaller = input->status == 413;
	verdict.unknown =
	    verdict.fault == VERDICT_DESTINATION && input->status != 429;
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
