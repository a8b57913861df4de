/*
 * Certificates are always verified. Redirects are never followed, because the
 * events would go where the settings do not say. The environment's proxies are
 * ignored, and nothing but HTTP is spoken. HTTP/2 comes with TLS if the server
 * has it.
 *
 * Each post has its own easy handle; connections live in the multi handle and
 * are shared, so keep-alive and HTTP/2 work across posts.
 */

#include "forwarder/post.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

enum { POST_READ_MAX = 1 << 20 }; /* bytes of an answer */

struct post {
	struct post *next, **prev; /* in flight */
	CURL *easy;
	void *owner;
	void *tag;
	char body[POST_ANSWER_MAX]; /* the answer's first bytes */
	size_t body_len;
	size_t read; /* of the answer's body */
	bool cut;    /* by us */
	char error[CURL_ERROR_SIZE];
};

struct poster {
	CURLM *multi;
	struct curl_slist *headers;
	struct post *posts;
};

bool
poster_new(struct poster **ret_poster, struct err *reterr)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", "Accept: application/json",
	    "Expect:", /* no 100-continue: a round trip for nothing */
	};
	struct poster *poster = NULL;
	struct curl_slist *more;

	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(reterr, ERR_IO, "cannot start libcurl");
	poster = calloc(1, sizeof(*poster));
	if (poster == NULL) {
		curl_global_cleanup();
		return err_set_nomem(reterr);
	}
	poster->multi = curl_multi_init();
	if (poster->multi == NULL)
		goto fail;
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
		more = curl_slist_append(poster->headers, headers[i]);
		if (more == NULL)
			goto fail;
		poster->headers = more;
	}
	*ret_poster = poster;
	return true;
fail:
	poster_free(poster);
	return err_set_nomem(reterr);
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
	curl_slist_free_all(poster->headers);
	if (poster->multi != NULL)
		(void)curl_multi_cleanup(poster->multi);
	free(poster);
	curl_global_cleanup();
}

/*
 * Keep the first bytes and read the rest: a connection whose answer was read
 * to the end can be used again. But hang up on an answer without end. Its
 * head has said what became of the request; waiting for the time-out, and
 * posting it again then, would be worse.
 */
static size_t
post_body_read(char *data, size_t size, size_t count, void *arg)
{
	struct post *post = arg;
	size_t room = sizeof(post->body) - post->body_len;
	size_t len = size * count;

	memcpy(post->body + post->body_len, data, len < room ? len : room);
	post->body_len += len < room ? len : room;
	post->read += len;
	post->cut = post->read > POST_READ_MAX;
	return post->cut ? 0 : len;
}

static CURLcode
post_options_set(struct post *post, const struct post_target *target,
    struct str body, struct curl_slist *headers)
{
	CURLcode rc = CURLE_OK;

#define SET(option, value)                                                     \
	do {                                                                   \
		if (rc == CURLE_OK)                                            \
			rc = curl_easy_setopt(post->easy, (option), (value));  \
	} while (0)
	SET(CURLOPT_URL, target->url);
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
	SET(CURLOPT_HTTPHEADER, headers);
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	SET(CURLOPT_POSTFIELDS, body.data);
	SET(CURLOPT_WRITEFUNCTION, post_body_read);
	SET(CURLOPT_WRITEDATA, (void *)post);
#undef SET
	return rc;
}

bool
poster_send(struct poster *poster, const struct post_target *target,
    struct str body, void *owner, void *tag, struct err *reterr)
{
	struct post *post = calloc(1, sizeof(*post));
	CURLcode rc;

	if (post == NULL)
		return err_set_nomem(reterr);
	post->owner = owner;
	post->tag = tag;
	post->easy = curl_easy_init();
	if (post->easy == NULL) {
		free(post);
		return err_set_nomem(reterr);
	}
	rc = post_options_set(post, target, body, poster->headers);
	if (rc != CURLE_OK) {
		post_free(poster, post);
		return err_set(reterr, ERR_CONFIG,
		    "libcurl refuses the request: %s", curl_easy_strerror(rc));
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

static struct post_answer
post_answer(struct post *post, CURLcode code)
{
	struct post_answer answer = {.error = ""};
	struct curl_header *header;
	long sent = 0;

	if (post->cut && code == CURLE_WRITE_ERROR)
		code = CURLE_OK;
	/* "HTTP/0.9 when not allowed": the answer was garbled, and by then
	 * the request was sent. */
	(void)curl_easy_getinfo(post->easy, CURLINFO_REQUEST_SIZE, &sent);
	if (code == CURLE_UNSUPPORTED_PROTOCOL && sent > 0)
		code = CURLE_WEIRD_SERVER_REPLY;
	answer.curl_code = (int)code;
	if (code != CURLE_OK)
		answer.error = post->error[0] != '\0'
				   ? post->error
				   : curl_easy_strerror(code);
	(void)curl_easy_getinfo(
	    post->easy, CURLINFO_RESPONSE_CODE, &answer.status);
	(void)curl_easy_getinfo(
	    post->easy, CURLINFO_HTTP_CONNECTCODE, &answer.proxy_status);
	if (curl_easy_header(post->easy, "Retry-After", 0, CURLH_HEADER, -1,
		&header) == CURLHE_OK)
		answer.retry_after = header->value;
	answer.body = str_bytes(post->body, post->body_len);
	return answer;
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
		struct post_answer answer;
		char *private = NULL;
		struct post *post;

		if (message->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(
		    message->easy_handle, CURLINFO_PRIVATE, &private);
		post = (struct post *)(void *)private;
		CHECK(post != NULL);
		answer = post_answer(post, code);
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
