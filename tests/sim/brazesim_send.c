/*
 * One thread and one libcurl handle for each connection, kept alive between
 * requests as long as the server keeps it.
 */

#include "tests/sim/brazesim_send.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

struct brazesim_senders {
	const struct brazesim_settings *settings;
	const struct brazesim_source *source;
	struct brazesim_work *work;
	void (*finished)(void);
	struct curl_slist *headers;
	atomic_size_t running;
	size_t n;
	pthread_t threads[];
};

struct sender {
	struct brazesim_senders *all;
	CURL *curl;
	struct sim_text body;
	struct sim_text gzipped;
	bool leave; /* go away before the answer */
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
	const struct sender *sender = context;

	(void)data;
	return sender->leave ? 0 : size * n;
}

/* libcurl asks here while it sends and waits, at least once a second: so a
 * stop needs no other way to break off a request. */
static int
progress(void *context, curl_off_t to_come, curl_off_t come, curl_off_t to_go,
    curl_off_t gone)
{
	const struct sender *sender = context;

	(void)to_come;
	(void)come;
	if (sender->leave && to_go > 0 && gone >= to_go)
		return 1;
	return brazesim_work_stopped(sender->all->work) ? 1 : 0;
}

/* In one call: the bound is large enough for any input of that size. */
static void
gzip(const struct sim_text *plain, struct sim_text *out)
{
	z_stream stream = {0};
	uLong bound;

	if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
		Z_DEFAULT_STRATEGY) != Z_OK)
		sim_die("zlib cannot start");
	bound = deflateBound(&stream, plain->len);
	sim_text_clear(out);
	stream.next_out = (Bytef *)sim_text_reserve(out, bound);
	stream.avail_out = (uInt)bound;
	stream.next_in = (Bytef *)plain->at;
	stream.avail_in = (uInt)plain->len;
	if (deflate(&stream, Z_FINISH) != Z_STREAM_END)
		sim_die("zlib cannot compress");
	out->len = stream.total_out;
	deflateEnd(&stream);
}

/* Made for each attempt: what waits to be sent again is only numbers. */
static void
body_write(struct sender *sender, const struct brazesim_batch *batch)
{
	size_t i;

	sim_text_clear(&sender->body);
	sim_text_print(&sender->body, "{\"events\":[");
	for (i = 0; i < batch->n; i++) {
		if (i > 0)
			sim_text_add(&sender->body, ",", 1);
		brazesim_event_write(
		    sender->all->source, batch->events[i], &sender->body);
	}
	sim_text_print(&sender->body, "]}");
}

static void
post(struct sender *sender, const struct brazesim_batch *batch,
    struct brazesim_outcome *outcome)
{
	const struct sim_text *body = &sender->body;
	int64_t start_us;
	CURLcode code;

	body_write(sender, batch);
	if (sender->all->settings->gzip) {
		gzip(&sender->body, &sender->gzipped);
		body = &sender->gzipped;
	}
	curl_easy_setopt(sender->curl, CURLOPT_POSTFIELDS, body->at);
	curl_easy_setopt(
	    sender->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	start_us = sim_now_us();
	*outcome = (struct brazesim_outcome){0};
	code = curl_easy_perform(sender->curl);
	if (code == CURLE_OK)
		curl_easy_getinfo(
		    sender->curl, CURLINFO_RESPONSE_CODE, &outcome->status);
	else if (sender->leave)
		outcome->unknown = code == CURLE_ABORTED_BY_CALLBACK ||
				   code == CURLE_WRITE_ERROR;
	outcome->took_us = sim_now_us() - start_us;
}

/* No proxy, whatever the environment says, and nothing that a test would not
 * expect on the wire: HTTP/1.1, no Expect, no User-Agent. */
static void
curl_prepare(struct sender *sender)
{
	const struct brazesim_settings *settings = sender->all->settings;
	long check = settings->insecure ? 0 : 1;
	CURL *curl = curl_easy_init();

	if (curl == NULL)
		sim_die("libcurl cannot start");
	sender->curl = curl;
	curl_easy_setopt(curl, CURLOPT_URL, settings->url);
	curl_easy_setopt(curl, CURLOPT_PROXY, "");
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(
	    curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, sender->all->headers);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)settings->timeout_ms);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, check);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2 * check);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, ignore_body);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, sender);
	curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, progress);
	curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sender);
}

/* Each thread ends by itself once nothing is left for anyone. */
static void *
sender_run(void *context)
{
	struct sender sender = {.all = context};
	struct brazesim_work *work = sender.all->work;
	struct brazesim_outcome outcome;
	struct brazesim_batch *batch;

	curl_prepare(&sender);
	while ((batch = brazesim_work_take(work, &sender.leave)) != NULL) {
		post(&sender, batch, &outcome);
		brazesim_work_settle(work, batch, &outcome);
	}
	curl_easy_cleanup(sender.curl);
	sim_text_fini(&sender.body);
	sim_text_fini(&sender.gzipped);
	if (atomic_fetch_sub(&sender.all->running, 1) == 1)
		sender.all->finished();
	return NULL;
}

static void
header_add(struct brazesim_senders *senders, const char *header)
{
	senders->headers = curl_slist_append(senders->headers, header);
	if (senders->headers == NULL)
		sim_die("no memory for headers");
}

/* What Braze documents that it sends; the Content-Type is that of its own
 * scripts. Long bodies go without asking first (Expect), so that what the
 * receiver does with them is the same for all lengths. */
static void
headers_make(struct brazesim_senders *senders)
{
	struct sim_text token = {0};

	header_add(senders, "Content-Type: application/json");
	header_add(senders, "Braze-Currents-Version: 1");
	header_add(senders, "Expect:"); /* none */
	if (senders->settings->gzip)
		header_add(senders, "Content-Encoding: gzip");
	if (senders->settings->token[0] != '\0') {
		sim_text_print(&token, "Authorization: Bearer %s",
		    senders->settings->token);
		header_add(senders, token.at);
		sim_text_fini(&token);
	}
}

struct brazesim_senders *
brazesim_senders_start(const struct brazesim_settings *settings,
    const struct brazesim_source *source, struct brazesim_work *work,
    void (*finished)(void))
{
	size_t n = (size_t)settings->connections;
	struct brazesim_senders *senders =
	    sim_alloc(sizeof(*senders) + n * sizeof(pthread_t));
	size_t i;

	senders->settings = settings;
	senders->source = source;
	senders->work = work;
	senders->finished = finished;
	senders->n = n;
	atomic_init(&senders->running, n);
	headers_make(senders);
	for (i = 0; i < n; i++)
		if (pthread_create(
			&senders->threads[i], NULL, sender_run, senders) != 0)
			sim_die("cannot start a thread");
	return senders;
}

void
brazesim_senders_join(struct brazesim_senders *senders)
{
	size_t i;

	for (i = 0; i < senders->n; i++)
		pthread_join(senders->threads[i], NULL);
	curl_slist_free_all(senders->headers);
	free(senders);
}
