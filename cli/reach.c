#include "cli/reach.h"

#include "server/server.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

/* As Braze tests a connection: credentials, and no events. */
#define REACH_PROBE_BODY "{\"events\":[]}"

struct reach_call {
	CURL *curl;
	struct curl_slist *headers;
	char error[CURL_ERROR_SIZE];
	struct reach_answer *answer;
};

static void
reach_close(struct reach_call *call)
{
	curl_slist_free_all(call->headers);
	curl_easy_cleanup(call->curl);
}

static bool
reach_open(struct reach_call *call, const struct reach_target *target,
    struct err *reterr)
{
	CURLcode rc = CURLE_OK;

	*call = (struct reach_call){.curl = curl_easy_init()};
	if (call->curl == NULL)
		return err_set_nomem(reterr);
#define SET(option, value)                                                     \
	do {                                                                   \
		if (rc == CURLE_OK)                                            \
			rc = curl_easy_setopt(call->curl, (option), (value));  \
	} while (0)
	/* As the forwarder connects (forwarder/post.c). */
	SET(CURLOPT_URL, target->url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (target->ca_file != NULL)
		SET(CURLOPT_CAINFO, target->ca_file);
	SET(CURLOPT_PROXY, target->proxy != NULL ? target->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_TIMEOUT_MS, (long)target->timeout_ms);
	SET(CURLOPT_ERRORBUFFER, call->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_USERAGENT, "currentsd-check/" CURRENTSD_VERSION);
#undef SET
	if (rc == CURLE_OK)
		return true;
	reach_close(call);
	return err_set(
	    reterr, ERR_CONFIG, "libcurl refuses: %s", curl_easy_strerror(rc));
}

static const char *
code_advice(CURLcode code)
{
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_HOST:
		return "the name cannot be resolved: check its spelling, and "
		       "the name servers of this machine";
	case CURLE_COULDNT_RESOLVE_PROXY:
		return "the name of the proxy cannot be resolved: check the "
		       "setting proxy";
	case CURLE_COULDNT_CONNECT:
		return "nothing listens at that address and port, or a "
		       "firewall refuses the connection";
	case CURLE_OPERATION_TIMEDOUT:
		return "no answer in time: a firewall may drop the packets, or "
		       "the address is wrong";
	case CURLE_PEER_FAILED_VERIFICATION:
		return "the certificate cannot be trusted: it has expired, is "
		       "for another name, or comes from an unknown issuer or "
		       "without its intermediate certificates";
	case CURLE_SSL_CONNECT_ERROR:
		return "TLS fails: this may be a port for plain HTTP";
	case CURLE_SSL_CACERT_BADFILE:
		return "the file of certificates (ca_file) cannot be used";
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return "the connection was closed without an answer: it may "
		       "expect TLS, or a header of the PROXY protocol";
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return "this is no URL";
	default:
		return "it cannot be reached";
	}
}

/* Loopback, private or link-local: Braze cannot come that way. */
static bool
address_is_internal(const char *ip)
{
	unsigned a = 0, b = 0;

	if (strchr(ip, ':') != NULL)
		return strcmp(ip, "::1") == 0 || strncmp(ip, "fc", 2) == 0 ||
		       strncmp(ip, "fd", 2) == 0 || strncmp(ip, "fe8", 3) == 0;
	(void)sscanf(ip, "%u.%u", &a, &b);
	return a == 127 || a == 10 || (a == 192 && b == 168) ||
	       (a == 172 && b >= 16 && b < 32) || (a == 169 && b == 254);
}

static void
reach_run(struct reach_call *call, struct reach *ret_reach)
{
	CURLcode code = curl_easy_perform(call->curl);
	const char *ip = NULL;
	curl_off_t took = 0;
	long port = 0;

	/* An answer of which we read no more is an answer. */
	if (code == CURLE_WRITE_ERROR)
		code = CURLE_OK;
	*ret_reach = (struct reach){.reached = code == CURLE_OK};
	(void)curl_easy_getinfo(call->curl, CURLINFO_PRIMARY_IP, &ip);
	(void)curl_easy_getinfo(call->curl, CURLINFO_PRIMARY_PORT, &port);
	(void)curl_easy_getinfo(call->curl, CURLINFO_TOTAL_TIME_T, &took);
	ret_reach->took_ms = (int64_t)took / 1000;
	if (ip != NULL && *ip != '\0') {
		(void)snprintf(ret_reach->address, sizeof(ret_reach->address),
		    "%s port %ld", ip, port);
		ret_reach->internal = address_is_internal(ip);
	}
	if (code != CURLE_OK)
		(void)snprintf(ret_reach->why, sizeof(ret_reach->why),
		    "%s (%s)", code_advice(code),
		    call->error[0] != '\0' ? call->error
					   : curl_easy_strerror(code));
}

bool
reach_connect(const struct reach_target *target, struct reach *ret_reach,
    struct err *reterr)
{
	struct reach_call call;
	bool ok;

	if (!reach_open(&call, target, reterr))
		return false;
	ok =
	    curl_easy_setopt(call.curl, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK ||
	    err_set(reterr, ERR_CONFIG, "libcurl cannot connect only");
	if (ok)
		reach_run(&call, ret_reach);
	reach_close(&call);
	return ok;
}

/* ---- the probe ---- */

static size_t
body_read(char *data, size_t size, size_t count, void *arg)
{
	struct reach_answer *answer = arg;
	size_t len = size * count, room = REACH_BODY - 1 - answer->body_len;

	if (room > len)
		room = len;
	memcpy(answer->body + answer->body_len, data, room);
	answer->body_len += room;
	answer->body[answer->body_len] = '\0';
	return room < len ? 0 : len;
}

static void
header_copy(struct reach_call *call, const char *name, char ret[REACH_TEXT])
{
	struct curl_header *header;

	ret[0] = '\0';
	if (curl_easy_header(call->curl, name, 0, CURLH_HEADER, -1, &header) ==
	    CURLHE_OK)
		(void)snprintf(ret, REACH_TEXT, "%s", header->value);
}

static bool
header_add(struct reach_call *call, const char *name, const char *value)
{
	struct curl_slist *more;
	char line[8192];
	bool ok;

	ok = snprintf(line, sizeof(line), "%s: %s", name, value) <
	     (int)sizeof(line);
	more = ok ? curl_slist_append(call->headers, line) : NULL;
	explicit_bzero(line, sizeof(line));
	if (more != NULL)
		call->headers = more;
	return more != NULL;
}

static bool
probe_set(struct reach_call *call, const char *token, const char *nonce,
    struct reach_answer *answer)
{
	char bearer[8192];
	bool ok;

	ok = snprintf(bearer, sizeof(bearer), "Bearer %s",
		 token != NULL ? token : "") < (int)sizeof(bearer);
	ok = ok && header_add(call, "Content-Type", "application/json") &&
	     header_add(call, "Braze-Currents-Version", "1") &&
	     header_add(call, SERVER_PROBE_HEADER, nonce) &&
	     (token == NULL || header_add(call, "Authorization", bearer));
	explicit_bzero(bearer, sizeof(bearer));
	return ok &&
	       curl_easy_setopt(
		   call->curl, CURLOPT_HTTPHEADER, call->headers) == CURLE_OK &&
	       curl_easy_setopt(call->curl, CURLOPT_COPYPOSTFIELDS,
		   REACH_PROBE_BODY) == CURLE_OK &&
	       curl_easy_setopt(call->curl, CURLOPT_WRITEFUNCTION, body_read) ==
		   CURLE_OK &&
	       curl_easy_setopt(
		   call->curl, CURLOPT_WRITEDATA, (void *)answer) == CURLE_OK;
}

bool
reach_probe(const struct reach_target *target, const char *token,
    const char *nonce, struct reach *ret_reach, struct reach_answer *ret_answer,
    struct err *reterr)
{
	struct reach_call call;
	long status = 0;

	*ret_answer = (struct reach_answer){.status = 0};
	if (!reach_open(&call, target, reterr))
		return false;
	if (!probe_set(&call, token, nonce, ret_answer)) {
		reach_close(&call);
		return err_set_nomem(reterr);
	}
	reach_run(&call, ret_reach);
	(void)curl_easy_getinfo(call.curl, CURLINFO_RESPONSE_CODE, &status);
	ret_answer->status = (unsigned)status;
	header_copy(&call, SERVER_PROOF_HEADER, ret_answer->proof);
	header_copy(&call, "Location", ret_answer->location);
	header_copy(&call, "Server", ret_answer->server);
	header_copy(&call, "WWW-Authenticate", ret_answer->challenge);
	reach_close(&call);
	return true;
}
