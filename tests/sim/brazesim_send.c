/* One thread for each connection. */

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
	struct sim_post *post;
	struct sim_text body;
	struct sim_text gzipped;
};

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
post(struct sender *sender, const struct brazesim_batch *batch, bool leave,
    struct sim_outcome *outcome)
{
	const struct sim_text *body = &sender->body;

	body_write(sender, batch);
	if (sender->all->settings->gzip) {
		gzip(&sender->body, &sender->gzipped);
		body = &sender->gzipped;
	}
	sim_post_send(sender->post, sender->all->headers, body, leave, outcome);
}

static bool
stopped(void *context)
{
	return brazesim_work_stopped(context);
}

/* Each thread ends by itself once nothing is left for anyone. */
static void *
sender_run(void *context)
{
	struct sender sender = {.all = context};
	struct brazesim_work *work = sender.all->work;
	struct sim_outcome outcome;
	struct brazesim_batch *batch;
	bool leave;

	sender.post = sim_post_new(&(struct sim_post_settings){
	    .url = sender.all->settings->url,
	    .timeout_ms = sender.all->settings->timeout_ms,
	    .insecure = sender.all->settings->insecure,
	    .stopped = stopped,
	    .context = work,
	});
	while ((batch = brazesim_work_take(work, &leave)) != NULL) {
		post(&sender, batch, leave, &outcome);
		brazesim_work_settle(work, batch, &outcome);
	}
	sim_post_free(sender.post);
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
