#include "schema/dialect.h"

#include <string.h>
#include <time.h>

enum { RETRY_AFTER_MAX = 64 }; /* bytes of that header */

/* ---- Retry-After ---- */

/* Delay in seconds, digits only (RFC 9110, 10.2.3). -1: it is not one. */
static int64_t
retry_after_seconds(const char *text, int64_t most_ms)
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
retry_after_date(const char *text, int64_t now_ms)
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

int64_t
outlet_retry_after_read(const char *header, int64_t now_ms, int64_t most_ms)
{
	char text[RETRY_AFTER_MAX];
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
	wait_ms = retry_after_seconds(text, most_ms);
	if (wait_ms < 0)
		wait_ms = retry_after_date(text, now_ms);
	if (wait_ms < 0)
		return 0;
	return wait_ms < most_ms ? wait_ms : most_ms;
}

/* ---- the verdict ---- */

/* Of a whole answer. */
static enum outlet_verdict_kind
verdict_of_status(unsigned status)
{
	if (status >= 200 && status < 300)
		return OUTLET_VERDICT_ACCEPTED;
	if (status >= 300 && status < 400)
		return OUTLET_VERDICT_DENIED;
	switch (status) {
	case 400:
	case 413:
	case 422:
		return OUTLET_VERDICT_REFUSED;
	case 401:
	case 403:
	case 404:
	case 407:
		return OUTLET_VERDICT_DENIED;
	default:
		return OUTLET_VERDICT_FAILED;
	}
}

static const char *
denied_advice(const struct outlet_answer *answer)
{
	if (answer->status == 407)
		return "check the proxy, its user and its password";
	if (answer->trouble_ours)
		return "check the proxy, the URL, the CA file and the clock";
	if (answer->status < 400)
		return "check the URL: it redirects, and redirects are not "
		       "followed";
	if (answer->status == 404)
		return "check the URL";
	return "check the credentials and the URL";
}

void
outlet_judge_http(const struct outlet_answer *answer,
    int64_t retry_after_most_ms, size_t count, enum outlet_outcome *ret_items,
    struct outlet_verdict *ret_verdict)
{
	static const enum outlet_outcome outcomes[] = {
	    [OUTLET_VERDICT_ACCEPTED] = OUTLET_ACCEPTED,
	    [OUTLET_VERDICT_REFUSED] = OUTLET_REFUSED,
	    [OUTLET_VERDICT_FAILED] = OUTLET_NOT_TAKEN,
	    [OUTLET_VERDICT_DENIED] = OUTLET_NOT_TAKEN,
	};
	struct outlet_verdict verdict = {.kind = OUTLET_VERDICT_FAILED};
	enum outlet_outcome outcome;
	const char *retry_after = NULL;

	if (answer->trouble_ours) {
		verdict.kind = OUTLET_VERDICT_DENIED;
	} else if (answer->transport != OUTLET_WHOLE) {
		/* What the destination did with it is not known, whatever
		 * status the answer began with. */
		verdict.unknown = answer->transport != OUTLET_UNSENT;
	} else {
		verdict.kind = verdict_of_status(answer->status);
		verdict.slower = answer->status == 429;
		verdict.smaller = answer->status == 413;
		verdict.unknown = verdict.kind == OUTLET_VERDICT_FAILED &&
				  answer->status != 429;
		if (verdict.kind == OUTLET_VERDICT_FAILED)
			retry_after =
			    answer->header(answer->arg, "Retry-After");
		if (retry_after != NULL)
			verdict.wait_ms = outlet_retry_after_read(
			    retry_after, answer->now_ms, retry_after_most_ms);
	}
	if (verdict.kind == OUTLET_VERDICT_DENIED)
		verdict.advice = denied_advice(answer);
	outcome = verdict.unknown ? OUTLET_FAILED : outcomes[verdict.kind];
	for (size_t i = 0; i < count; i++)
		ret_items[i] = outcome;
	*ret_verdict = verdict;
}
