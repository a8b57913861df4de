#include "tests/sim/segmentsim_send.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum {
	MISSING = 100, /* bytes of a body that is cut */
};

struct segmentsim_senders {
	const struct segmentsim_settings *settings;
	struct segmentsim_work *work;
	void (*finished)(void);
	atomic_size_t running;
	size_t n;
	pthread_t threads[];
};

static int64_t
wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct curl_slist *
header_add(struct curl_slist *headers, const char *header)
{
	headers = curl_slist_append(headers, header);
	if (headers == NULL)
		sim_die("no memory for headers");
	return headers;
}

static struct curl_slist *
headers_make(const struct segmentsim_page *page, const struct sim_text *body,
    const char *signature)
{
	struct curl_slist *headers = NULL;
	struct sim_text length = {0};

	headers = header_add(headers, "Content-Type: application/json");
	headers = header_add(headers, "Expect:"); /* none */
	if (signature != NULL)
		headers = header_add(headers, signature);
	if (page->flaw == SEGMENTSIM_CUT) {
		sim_text_print(
		    &length, "Content-Length: %zu", body->len + MISSING);
		headers = header_add(headers, length.at);
	}
	sim_text_fini(&length);
	return headers;
}

static void
page_post(const struct segmentsim_settings *settings, struct sim_post *post,
    struct segmentsim_page *page, bool leave, struct sim_outcome *outcome)
{
	struct curl_slist *headers;
	struct sim_text signature = {0};
	struct sim_text body = {0};

	if (page->timestamp_ms == 0)
		page->timestamp_ms = wall_ms();
	segmentsim_page_write(settings, page, &body);
	segmentsim_sign(
	    settings, page->flaw, page->timestamp_ms, &body, &signature);
	headers = headers_make(page, &body, signature.at);
	sim_post_send(post, headers, &body, leave, outcome);
	curl_slist_free_all(headers);
	sim_text_fini(&signature);
	sim_text_fini(&body);
}

static bool
stopped(void *context)
{
	return segmentsim_work_stopped(context);
}

/* Each thread ends by itself once nothing is left for anyone. */
static void *
sender_run(void *context)
{
	struct segmentsim_senders *senders = context;
	const struct segmentsim_settings *settings = senders->settings;
	struct sim_post *post = sim_post_new(&(struct sim_post_settings){
	    .url = settings->url,
	    .timeout_ms = settings->timeout_ms,
	    .insecure = settings->insecure,
	    .stopped = stopped,
	    .context = senders->work,
	});
	struct segmentsim_page *page;
	struct sim_outcome outcome;
	bool leave;

	while ((page = segmentsim_work_take(senders->work, &leave)) != NULL) {
		page_post(settings, post, page, leave, &outcome);
		segmentsim_work_settle(senders->work, page, &outcome);
	}
	sim_post_free(post);
	if (atomic_fetch_sub(&senders->running, 1) == 1)
		senders->finished();
	return NULL;
}

struct segmentsim_senders *
segmentsim_senders_start(const struct segmentsim_settings *settings,
    struct segmentsim_work *work, void (*finished)(void))
{
	size_t n = (size_t)settings->connections;
	struct segmentsim_senders *senders =
	    sim_alloc(sizeof(*senders) + n * sizeof(pthread_t));
	size_t i;

	senders->settings = settings;
	senders->work = work;
	senders->finished = finished;
	senders->n = n;
	atomic_init(&senders->running, n);
	for (i = 0; i < n; i++)
		if (pthread_create(
			&senders->threads[i], NULL, sender_run, senders) != 0)
			sim_die("cannot start a thread");
	return senders;
}

void
segmentsim_senders_join(struct segmentsim_senders *senders)
{
	size_t i;

	for (i = 0; i < senders->n; i++)
		pthread_join(senders->threads[i], NULL);
	free(senders);
}
