#include "tests/sim/sim_post.h"

#include <curl/curl.h>
#include <stdlib.h>

struct sim_post {
	struct sim_post_settings settings;
	CURL *curl;
	bool leave;
};

static size_t
ignore_body(char *data, size_t size, size_t n, void *context)
{
	(void)data;
	(void)context;
	return size * n;
}

/* An answer that came before we could leave is not read either. */
static size_t
read_header(char *data, size_t size, size_t n, void *context)
{
	const struct sim_post *post = context;

	(void)data;
	return post->leave ? 0 : size * n;
}

/* libcurl asks here while it sends and waits, at least once a second: so a
 * stop needs no other way to break off a request. */
static int
progress(void *context, curl_off_t to_come, curl_off_t come, curl_off_t to_go,
    curl_off_t gone)
{
	const struct sim_post *post = context;

	(void)to_come;
	(void)come;
	if (post->leave && to_go > 0 && gone >= to_go)
		return 1;
	return post->settings.stopped(post->settings.context) ? 1 : 0;
}

/* No proxy, whatever the environment says, and nothing that a test would not
 * expect on the wire: HTTP/1.1, no User-Agent. */
struct sim_post *
sim_post_new(const struct sim_post_settings *settings)
{
	struct sim_post *post = sim_alloc(sizeof(*post));
	long check = settings->insecure ? 0 : 1;
	CURL *curl = curl_easy_init();

	if (curl == NULL)
		sim_die("libcurl cannot start");
	post->settings = *settings;
	post->curl = curl;
	curl_easy_setopt(curl, CURLOPT_URL, settings->url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(
	    curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2 * check);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, post);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, post);
	return post;
}

void
sim_post_free(struct sim_post *post)
{
	curl_easy_cleanup(post->curl);
	free(post);
}

void
sim_post_send(struct sim_post *post, struct curl_slist *headers,
    const struct sim_text *body, bool leave, struct sim_outcome *ret_outcome)
{
	int64_t start_us = sim_now_us();
	CURLcode code;

	post->leave = leave;
	curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body->at);
	curl_easy_setopt(
	    post->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	*ret_outcome = (struct sim_outcome){0};
	code = curl_easy_perform(post->curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(
		    post->curl, CURLINFO_RESPONSE_CODE, &ret_outcome->status);
	else if (leave)
		ret_outcome->left = code == CURLE_ABORTED_BY_CALLBACK ||
				    code == CURLE_WRITE_ERROR;
	ret_outcome->took_us = sim_now_us() - start_us;
}
