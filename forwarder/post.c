/*
 * Certificates are always verified. Redirects are never followed, or the
 * events would go where the settings do not say. The environment's proxies
 * are ignored, and nothing but HTTP is spoken. HTTP/2 comes with TLS if the
 * server has it.
 *
 * Each post has its own easy handle; connections live in the multi handle and
 * are shared, so keep-alive and HTTP/2 work across posts.
 */

#include "forwarder/post.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { POST_READ_MAX = 1 << 20 }; /* bytes of an answer */

struct post {
	struct post *next, **prev; /* in flight */
	CURL *easy;
	struct curl_slist *headers;
	void *owner;
	void *tag;
	struct str body; /* lent; what of it is still to be sent */
	char *answer;	 /* owned; the first bytes of the answer's body */
	size_t answer_len, answer_max;
	size_t read; /* of the answer's body */
	bool head;   /* the answer's head came whole */
	bool cut;    /* by us */
	char error[CURL_ERROR_SIZE];
};

struct poster {
	CURLM *multi;
	struct post *posts;
};

bool
poster_new(struct poster **ret_poster, struct err *reterr)
{
	struct poster *poster;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(reterr, ERR_IO, "cannot start libcurl");
	poster = calloc(1, sizeof(*poster));
	if (poster != NULL)
		poster->multi = curl_multi_init();
	if (poster == NULL || poster->multi == NULL) {
		free(poster);
		curl_global_cleanup();
		return err_set_nomem(reterr);
	}
	*ret_poster = poster;
	return true;
}

static void
post_free(struct poster *poster, struct post *post)
{
	if (post->prev != NULL) {
		*post->prev = post->next;
		if (post->next != NULL)
			post->next->prev = post->prev;
		(void)curl_multi_remove_handle(poster->multi, post->easy);
	}
	curl_easy_cleanup(post->easy);
	curl_slist_free_all(post->headers);
	free(post->answer);
	free(post);
}

void
poster_drop_all(struct poster *poster)
{
	for (struct post *post = poster->posts, *next; post != NULL;
	     post = next) {
		next = post->next;
		post_free(poster, post);
	}
}

void
poster_free(struct poster *poster)
{
	if (poster == NULL)
		return;
	poster_drop_all(poster);
	(void)curl_multi_cleanup(poster->multi);
	free(poster);
	curl_global_cleanup();
}

/* The next bytes of the body. */
static size_t
post_body_write(char *data, size_t size, size_t count, void *arg)
{
	struct post *post = arg;
	size_t room = size * count;
	size_t len = post->body.len < room ? post->body.len : room;

	if (len > 0)
		memcpy(data, post->body.data, len);
	post->body = str_bytes(post->body.data + len, post->body.len - len);
	return len;
}

/*
 * libcurl wants to send the body again, because a connection that was used
 * before was closed under it. The destination may have read all of it, and
 * would count it twice without our knowing; so this fails.
 */
static int
post_body_rewind(void *arg, curl_off_t offset, int origin)
{
	struct post *post = arg;

	(void)origin;
	if (offset == 0 && post->body.len > 0)
		(void)snprintf(post->error, sizeof(post->error),
		    "the connection was closed while the request was sent");
	return CURL_SEEKFUNC_FAIL;
}

/* An empty line ends a head; one of a status below 200 announces another. */
static size_t
post_head_read(char *data, size_t size, size_t count, void *arg)
{
	struct post *post = arg;
	const char *line = data;
	size_t len = size * count;
	long status = 0;

	if (len > 0 && (line[0] == '\r' || line[0] == '\n')) {
		(void)curl_easy_getinfo(
		    post->easy, CURLINFO_RESPONSE_CODE, &status);
		post->head = status >= 200;
	}
	return len;
}

/*
 * Keep the first bytes and read the rest: a connection whose answer was read
 * to the end can be used again. But hang up on an answer without end. Its
 * head has said what became of the request; waiting for the time-out, and
 * posting it again then, would be worse.
 */
static size_t
post_answer_read(char *data, size_t size, size_t count, void *arg)
{
	struct post *post = arg;
	size_t room = post->answer_max - post->answer_len;
	size_t len = size * count;

	if (room > len)
		room = len;
	if (room > 0)
		memcpy(post->answer + post->answer_len, data, room);
	post->answer_len += room;
	post->read += len;
	post->cut = post->read > POST_READ_MAX;
	return post->cut ? 0 : len;
}

static CURLcode
post_options_set(struct post *post, const struct post_target *target)
{
	CURLcode rc = CURLE_OK;

#define SET(option, value)                                                     \
	do {                                                                   \
		if (rc == CURLE_OK)                                            \
			rc = curl_easy_setopt(post->easy, (option), (value));  \
	} while (0)
	SET(CURLOPT_URL, target->address.url);
	SET(CURLOPT_PROTOCOLS_STR, "http,https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	if (target->ca_file != NULL)
		SET(CURLOPT_CAINFO, target->ca_file);
	/* "" and not NULL: NULL would let the environment decide. */
	SET(CURLOPT_PROXY, target->proxy != NULL ? target->proxy : "");
	SET(CURLOPT_NOPROXY, "");
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)target->connect_timeout_ms);
	SET(CURLOPT_TIMEOUT_MS, (long)target->timeout_ms);
	SET(CURLOPT_PRIVATE, (void *)post);
	SET(CURLOPT_ERRORBUFFER, post->error);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* Do not join the thread of a name look-up that hangs: it would hold
	 * up the other destinations, too. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_USERAGENT, "currentsd/" CURRENTSD_VERSION);
	SET(CURLOPT_HTTPHEADER, post->headers);
	SET(CURLOPT_POST, 1L);
	/* Not POSTFIELDS: that would be sent again without asking. */
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.len);
	SET(CURLOPT_READFUNCTION, post_body_write);
	SET(CURLOPT_READDATA, (void *)post);
	SET(CURLOPT_SEEKFUNCTION, post_body_rewind);
	SET(CURLOPT_SEEKDATA, (void *)post);
	SET(CURLOPT_HEADERFUNCTION, post_head_read);
	SET(CURLOPT_HEADERDATA, (void *)post);
	SET(CURLOPT_WRITEFUNCTION, post_answer_read);
	SET(CURLOPT_WRITEDATA, (void *)post);
#undef SET
	return rc;
}

static bool
post_headers_add(struct post *post, const char *const *header)
{
	for (; header != NULL && *header != NULL; header++) {
		struct curl_slist *more =
		    curl_slist_append(post->headers, *header);

		if (more == NULL)
			return false;
		post->headers = more;
	}
	return true;
}

static bool
post_prepare(struct post *post, const struct post_target *target,
    const char *const *headers, struct err *reterr)
{
	/* No 100-continue: a round trip for nothing. */
	static const char *const always[] = {"Expect:", NULL};
	CURLcode rc;

	post->easy = curl_easy_init();
	post->answer = malloc(target->answer_max + 1);
	post->answer_max = target->answer_max;
	if (post->easy == NULL || post->answer == NULL ||
	    !post_headers_add(post, always) ||
	    !post_headers_add(post, headers) ||
	    !post_headers_add(post, target->address.headers))
		return err_set_nomem(reterr);
	rc = post_options_set(post, target);
	if (rc != CURLE_OK)
		return err_set(reterr, ERR_CONFIG, "libcurl refuses: %s",
		    curl_easy_strerror(rc));
	return true;
}

bool
poster_send(struct poster *poster, const struct post_target *target,
    const char *const *headers, struct str body, void *owner, void *tag,
    struct err *reterr)
{
	struct post *post = calloc(1, sizeof(*post));

	if (post == NULL)
		return err_set_nomem(reterr);
	post->owner = owner;
	post->tag = tag;
	post->body = body;
	if (!post_prepare(post, target, headers, reterr)) {
		post_free(poster, post);
		return false;
	}
	if (curl_multi_add_handle(poster->multi, post->easy) != CURLM_OK) {
		post_free(poster, post);
		return err_set_nomem(reterr);
	}
	post->next = poster->posts;
	post->prev = &poster->posts;
	if (post->next != NULL)
		post->next->prev = &post->next;
	poster->posts = post;
	return true;
}

/* ---- answers ---- */

/* Retrying does not help: the operator must change something. */
static bool
code_needs_operator(CURLcode code)
{
	switch ((int)code) {
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
code_unsent(CURLcode code)
{
	switch ((int)code) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_SSL_CONNECT_ERROR:
		return true;
	default:
		return code_needs_operator(code);
	}
}

/* A proxy's answer to CONNECT that an operator must act on. */
static bool
proxy_needs_operator(long status)
{
	return status >= 300 && status < 500 && status != 408 && status != 429;
}

static const char *
post_header(void *arg, const char *name)
{
	struct post *post = arg;
	struct curl_header *header;

	if (curl_easy_header(post->easy, name, 0, CURLH_HEADER, -1, &header) !=
	    CURLHE_OK)
		return NULL;
	return header->value;
}

static void
post_answer(struct post *post, CURLcode code, struct outlet_answer *ret)
{
	long sent = 0, status = 0, proxy = 0;

	/* "HTTP/0.9 when not allowed": the answer was garbled, and by then
	 * the request was sent. */
	(void)curl_easy_getinfo(post->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (code == CURLE_UNSUPPORTED_PROTOCOL && sent > 0)
		code = CURLE_WEIRD_SERVER_REPLY;
	(void)curl_easy_getinfo(post->easy, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(post->easy, CURLINFO_HTTP_CONNECTCODE, &proxy);
	*ret = (struct outlet_answer){
	    .trouble = "",
	    .header = post_header,
	    .arg = post,
	};
	if (post->head) {
		ret->status = (unsigned)status;
		ret->body = str_bytes(post->answer, post->answer_len);
		ret->transport =
		    code != CURLE_OK || post->read > post->answer_max
			? OUTLET_CUT
			: OUTLET_WHOLE;
		if (code != CURLE_OK && !post->cut)
			ret->trouble = post->error;
		return;
	}
	if (post->error[0] == '\0')
		(void)snprintf(post->error, sizeof(post->error), "%s",
		    curl_easy_strerror(code));
	ret->trouble = post->error;
	ret->transport = OUTLET_UNKNOWN;
	if (proxy >= 300) {
		/* The destination has nothing of it, and no status of a proxy
		 * is about the items. */
		ret->transport = OUTLET_UNSENT;
		ret->trouble_ours = proxy_needs_operator(proxy);
	} else if (code_unsent(code)) {
		ret->transport = OUTLET_UNSENT;
		ret->trouble_ours = code_needs_operator(code);
	}
}

/* Hand each answer to `fn`, which may send again; the post is freed only
 * afterwards. Was there any? */
static bool
poster_answers_give(struct poster *poster, poster_answer_fn *fn, void *arg)
{
	struct CURLMsg *message;
	bool any = false;
	int left;

	while ((message = curl_multi_info_read(poster->multi, &left)) != NULL) {
		CURLcode code = message->data.result;
		struct outlet_answer answer;
		char *private = NULL;
		struct post *post;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(
		    message->easy_handle, CURLINFO_PRIVATE, &private);
		post = (struct post *)(void *)private;
		CHECK(post != NULL);
		post_answer(post, code, &answer);
		fn(arg, post->owner, post->tag, &answer);
		post_free(poster, post);
		any = true;
	}
	return any;
}

bool
poster_run(struct poster *poster, int64_t timeout_ms, poster_answer_fn *fn,
    void *arg, struct err *reterr)
{
	int running;
	CURLMcode rc;

	/* A post that was just started gets going before we wait, and may
	 * even end. */
	rc = curl_multi_perform(poster->multi, &running);
	if (poster_answers_give(poster, fn, arg))
		timeout_ms = 0;
	if (rc == CURLM_OK)
		rc = curl_multi_poll(
		    poster->multi, NULL, 0, (int)timeout_ms, NULL);
	if (rc == CURLM_OK)
		rc = curl_multi_perform(poster->multi, &running);
	(void)poster_answers_give(poster, fn, arg);
	if (rc != CURLM_OK)
		return err_set(
		    reterr, ERR_IO, "libcurl: %s", curl_multi_strerror(rc));
	return true;
}

void
poster_wake(struct poster *poster)
{
	(void)curl_multi_wakeup(poster->multi);
}
