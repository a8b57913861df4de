/*
 * Every few seconds a thread reads what needs an operator, and keeps a notice
 * of each thing. What is there for notify_after is posted as "new", and after
 * notify_again as "still"; what was told and is gone for notify_after is posted
 * as "resolved". So what comes and goes quickly is not told at all.
 *
 * Only what is true now is posted: a post that fails leaves its notices due,
 * and the next try is made from what is due then. Nothing piles up while the
 * receiver is away, and nothing else waits for it.
 *
 * Notices are posted singly while the hour has posts left; its last post is a
 * summary of all that is due.
 *
 * What was told is kept in the queue, so that a restart neither tells it again
 * nor forgets to say that it is resolved.
 */

#include "daemon/notices.h"

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/show.h"
#include "daemon/attention.h"
#include "daemon/daemon.h"
#include "forwarder/post.h"

#include <inttypes.h>
#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	NOTICES_MOST = 512,
	NOTICES_NAMED = 480, /* of them, about one of many: "source:NAME" */
	NOTICES_LINES = 20,  /* of the text of a summary */
	NOTICES_BODY_MAX = 1024 * 1024,
	NOTICES_WAIT_MOST_MS = 5000, /* between two looks */
	NOTICES_WAIT_LEAST_MS = 100,
	NOTICES_BACKOFF_FIRST_MS = 10 * 1000,
	NOTICES_HOUR_MS = 3600 * 1000,
	NOTICES_HOST = 256,
};

enum text { LEVEL, ABOUT, CONDITION, WHAT, HELP, TEXTS };

static const char *const text_keys[TEXTS] = {
    [LEVEL] = "level",
    [ABOUT] = "about",
    [CONDITION] = "condition",
    [WHAT] = "what",
    [HELP] = "help",
};

struct notice {
	struct notice *next;
	char *texts[TEXTS]; /* owned */
	int64_t since_ms;   /* wall clock */
	int64_t told_ms;    /* likewise, the last time; 0 = never */
	int64_t turned_ms;  /* monotonic: when it came, or went */
	/* Not 0: it is told again only if there is more of it. */
	int64_t count, told_count;
	bool there, seen;
	const char *due; /* the state to be told, or NULL */
};

struct notices {
	/* set before the thread starts */
	struct daemon *daemon;
	const struct notices_settings *settings;
	struct poster *poster;
	pthread_t thread;
	atomic_bool stop;

	/* owned by the thread */
	struct notice *list; /* owned */
	size_t count;
	int64_t mono_ms;			  /* of the present look */
	int64_t posted_ms[NOTICES_PER_HOUR_MOST]; /* monotonic; a ring */
	size_t posts;
	int64_t next_ms, backoff_ms; /* after a failure */
};

/* ---- watching ---- */

static void
notice_free(struct notices *notices, struct notice **at)
{
	struct notice *notice = *at;

	*at = notice->next;
	notices->count--;
	for (size_t i = 0; i < TEXTS; i++)
		free(notice->texts[i]);
	free(notice);
}

/* The one with the same condition, or a new one, with these texts; NULL if
 * there is no room. */
static struct notice *
notice_put(struct notices *notices, const struct str texts[TEXTS])
{
	struct notice **at = &notices->list, *notice;
	bool named = memchr(texts[ABOUT].data, ':', texts[ABOUT].len) != NULL;

	while (*at != NULL &&
	       (!str_equal_text(texts[ABOUT], (*at)->texts[ABOUT]) ||
		   !str_equal_text(texts[CONDITION], (*at)->texts[CONDITION])))
		at = &(*at)->next;
	notice = *at;
	if (notice == NULL) {
		if (notices->count >= (named ? NOTICES_NAMED : NOTICES_MOST))
			return NULL;
		notice = calloc(1, sizeof(*notice));
		if (notice == NULL)
			return NULL;
		notice->since_ms = clock_wall_ms();
		notice->turned_ms = notices->mono_ms;
		notices->count++;
		*at = notice;
	}
	for (size_t i = 0; i < TEXTS; i++) {
		free(notice->texts[i]);
		notice->texts[i] = strndup(texts[i].data, texts[i].len);
		if (notice->texts[i] == NULL) {
			notice_free(notices, at);
			return NULL;
		}
	}
	return notice;
}

static struct notice *
notice_see(struct notices *notices, const struct attention_item *item)
{
	const struct str texts[TEXTS] = {
	    [LEVEL] = str_text(item->level),
	    [ABOUT] = str_text(item->about),
	    [CONDITION] = str_text(item->condition),
	    [WHAT] = item->what,
	    [HELP] = item->help,
	};
	struct notice *notice = notice_put(notices, texts);

	if (notice == NULL)
		return NULL;
	if (!notice->there)
		notice->turned_ms = notices->mono_ms;
	notice->there = notice->seen = true;
	return notice;
}

static void
notices_see(void *arg, const struct attention_item *item)
{
	if (!item->quiet)
		(void)notice_see(arg, item);
}

/* The operator may decide to keep dead letters: only more of them are worth
 * telling again. */
static void
notices_see_dead(struct notices *notices, int64_t count)
{
	char what[SHOW_TEXT + 32], number[SHOW_TEXT];
	struct attention_item item = {
	    .level = "waiting",
	    .about = "dead",
	    .condition = "new",
	    .help = str_text("See why they were refused, then edit and requeue "
			     "them, or drop them: currentsd dead list"),
	};
	struct notice *notice;

	if (count == 0)
		return;
	show_number(count, number, sizeof(number));
	(void)snprintf(what, sizeof(what), "Dead letters: %s.", number);
	item.what = str_text(what);
	notice = notice_see(notices, &item);
	if (notice == NULL)
		return;
	notice->count = count;
	if (notice->told_count > count)
		notice->told_count = count;
}

/* The state to be posted now, or NULL. */
static const char *
notice_due(const struct notices *notices, const struct notice *notice)
{
	const struct notices_settings *settings = notices->settings;

	if (notices->mono_ms - notice->turned_ms < settings->after_ms)
		return NULL;
	if (!notice->there)
		return "resolved";
	if (notice->told_ms == 0)
		return "new";
	if (settings->again_ms == 0 ||
	    clock_wall_ms() - notice->told_ms < settings->again_ms ||
	    (notice->count > 0 && notice->count == notice->told_count))
		return NULL;
	return "still";
}

/* While memory is short everything stays as it was. */
static void
notices_look(struct notices *notices)
{
	struct daemon *daemon = notices->daemon;
	struct generation *in_force = in_force_hold(&daemon->in_force);
	struct notice **at = &notices->list;
	struct status status;
	struct err err;

	notices->mono_ms = clock_mono_ms();
	if (!status_read(daemon, in_force->settings, clock_wall_ms(),
		notices->mono_ms, &status, &err)) {
		generation_drop(in_force);
		return;
	}
	for (struct notice *n = notices->list; n != NULL; n = n->next)
		n->seen = false;
	attention_each(&status, NULL, true, notices_see, notices);
	notices_see_dead(notices, status.queue.ledger.line.dead);
	status_fini(&status);
	generation_drop(in_force);
	while (*at != NULL) {
		struct notice *notice = *at;

		if (!notice->seen && notice->told_ms == 0) {
			notice_free(notices, at);
			continue;
		}
		if (!notice->seen && notice->there)
			notice->turned_ms = notices->mono_ms;
		notice->there = notice->seen;
		notice->due = notice_due(notices, notice);
		at = &notice->next;
	}
}

/* ---- writing ---- */

/* The members of the open object. */
static void
notice_write(const struct notice *notice, struct json *json)
{
	for (size_t i = 0; i < TEXTS; i++)
		json_text(json, text_keys[i], notice->texts[i]);
	json_time(json, "since", notice->since_ms);
}

/* The sentence for people. */
static void
notice_say(const struct notice *notice, struct buf *text)
{
	bool there = *notice->due != 'r';

	if (*notice->due != 'n')
		(void)buf_text(text, there ? "Still: " : "Resolved: ");
	(void)buf_text(text, notice->texts[WHAT]);
	if (there)
		(void)buf_printf(text, " %s", notice->texts[HELP]);
}

/* A chat shows it: names from outside must not become mentions or links. */
static void
text_write(struct json *json, const struct buf *said)
{
	char host[NOTICES_HOST] = "?";
	struct buf text;

	(void)gethostname(host, sizeof(host) - 1);
	json_text(json, "host", host);
	buf_init(&text, NOTICES_BODY_MAX);
	(void)buf_printf(&text, "currentsd on %s: ", host);
	for (size_t i = 0; i < said->len; i++) {
		if (said->data[i] == '@')
			(void)buf_text(&text, "(at)");
		else
			(void)buf_char(
			    &text, said->data[i] == '<' ? '(' : said->data[i]);
	}
	json_bytes(json, "text", text.data, text.len);
	buf_fini(&text);
}

/* All that is due, or if `single` the first of it. */
static void
notices_write(
    const struct notices *notices, size_t due, bool single, struct buf *body)
{
	struct json json;
	struct buf said;
	size_t lines = 0;

	buf_init(&said, NOTICES_BODY_MAX);
	json_init(&json, body);
	json_object_open(&json, NULL);
	if (!single) {
		(void)buf_printf(&said, "%zu notices", due);
		json_text(&json, "state", "summary");
		json_array_open(&json, "notices");
	}
	for (const struct notice *n = notices->list; n != NULL; n = n->next) {
		if (n->due == NULL)
			continue;
		if (!single)
			json_object_open(&json, NULL);
		json_text(&json, "state", n->due);
		notice_write(n, &json);
		if (!single && lines++ < NOTICES_LINES)
			(void)buf_text(&said, "\n- ");
		if (lines <= NOTICES_LINES)
			notice_say(n, &said);
		if (single)
			break;
		json_object_close(&json);
	}
	if (!single)
		json_array_close(&json);
	if (lines > NOTICES_LINES)
		(void)buf_text(&said, "\nSee all of them: currentsd status");
	text_write(&json, &said);
	json_object_close(&json);
	buf_fini(&said);
}

/* ---- what a restart should not forget ---- */

static void
notices_save(const struct notices *notices)
{
	struct json json;
	struct buf text;
	struct err err;

	buf_init(&text, NOTICES_BODY_MAX);
	json_init(&json, &text);
	json_array_open(&json, NULL);
	for (const struct notice *n = notices->list; n != NULL; n = n->next) {
		if (n->told_ms == 0)
			continue;
		json_object_open(&json, NULL);
		notice_write(n, &json);
		json_int(&json, "since_ms", n->since_ms);
		json_int(&json, "told_ms", n->told_ms);
		json_int(&json, "count", n->told_count);
		json_object_close(&json);
	}
	json_array_close(&json);
	if (!buf_ok(&text, &err) ||
	    !queue_clocks_save(notices->daemon->queue, QUEUE_CLOCKS_NOTICES,
		text.data, text.len, &err))
		log_line(
		    LOG_WARN, "notices", "forget why=%s", LOG_QUOTE(err.text));
	buf_fini(&text);
}

static int64_t
number_read(const json_t *one, const char *key)
{
	return json_integer_value(json_object_get(one, key));
}

/* Each counts as gone, until it is seen again. */
static void
notices_restore(struct notices *notices)
{
	json_t *all = NULL, *one;
	struct buf saved;
	struct err err;
	size_t i;

	buf_init(&saved, NOTICES_BODY_MAX);
	if (queue_clocks_read(
		notices->daemon->queue, QUEUE_CLOCKS_NOTICES, &saved, &err))
		all = json_loadb(saved.data, saved.len, 0, NULL);
	json_array_foreach(all, i, one)
	{
		struct str texts[TEXTS];
		struct notice *notice;

		for (size_t t = 0; t < TEXTS; t++) {
			const char *text = json_string_value(
			    json_object_get(one, text_keys[t]));

			texts[t] = str_text(text != NULL ? text : "");
		}
		notice = notice_put(notices, texts);
		if (notice == NULL)
			break;
		notice->since_ms = number_read(one, "since_ms");
		notice->told_ms = number_read(one, "told_ms");
		notice->told_count = number_read(one, "count");
	}
	json_decref(all);
	buf_fini(&saved);
}

/* ---- posting ---- */

struct notices_post {
	bool done;
	unsigned status; /* HTTP; 0: none */
	char why[NOTICES_WHY];
};

static void
post_answered(void *arg, void *owner, void *tag, struct outlet_answer *answer)
{
	struct notices_post *post = arg;

	(void)owner, (void)tag;
	post->done = true;
	post->status = answer->status;
	if (answer->status == 0)
		(void)snprintf(
		    post->why, sizeof(post->why), "%s", answer->trouble);
	else
		(void)snprintf(
		    post->why, sizeof(post->why), "HTTP %u", answer->status);
}

/* Post, and wait for the answer, or for *stop. */
static void
post_run(struct poster *poster, const struct notices_settings *settings,
    const struct buf *body, atomic_bool *stop, struct notices_post *post)
{
	static const char *const headers[] = {
	    "Content-Type: application/json", NULL};
	const struct post_target target = {
	    .address = {settings->url, headers},
	    .ca_file = settings->ca_file,
	    .proxy = settings->proxy,
	    .connect_timeout_ms = settings->timeout_ms,
	    .timeout_ms = settings->timeout_ms,
	};
	struct err err;
	bool ok;

	*post = (struct notices_post){.done = false};
	ok = buf_ok(body, &err) &&
	     poster_send(poster, &target, NULL,
		 str_bytes(body->data, body->len), NULL, NULL, &err);
	while (ok && !post->done && !atomic_load(stop))
		ok = poster_run(
		    poster, NOTICES_WAIT_MOST_MS, post_answered, post, &err);
	poster_drop_all(poster);
	if (!ok) {
		post->done = true;
		(void)snprintf(post->why, sizeof(post->why), "%s", err.text);
	}
}

/* Note that it was posted. */
static void
notices_told(struct notices *notices, bool single)
{
	struct notice **at = &notices->list;
	bool more = true;

	while (*at != NULL && more) {
		struct notice *notice = *at;

		if (notice->due == NULL) {
			at = &notice->next;
			continue;
		}
		log_line(LOG_INFO, "notices",
		    "post state=%s about=%s condition=%s", notice->due,
		    LOG_QUOTE(notice->texts[ABOUT]),
		    LOG_QUOTE(notice->texts[CONDITION]));
		more = !single;
		if (!notice->there) {
			notice_free(notices, at);
			continue;
		}
		notice->due = NULL;
		notice->told_ms = clock_wall_ms();
		notice->told_count = notice->count;
		at = &notice->next;
	}
	notices->posted_ms[notices->posts++ % NOTICES_PER_HOUR_MOST] =
	    notices->mono_ms;
	notices->backoff_ms = 0;
	counter_add(COUNTER_NOTICES_ACCEPTED, 1);
	atomic_store(&notices->daemon->untold_since_ms, 0);
	notices_save(notices);
}

static void
notices_failed(struct notices *notices, const char *why)
{
	_Atomic int64_t *since_ms = &notices->daemon->untold_since_ms;

	notices->backoff_ms = notices->backoff_ms == 0
				  ? NOTICES_BACKOFF_FIRST_MS
				  : notices->backoff_ms * 2;
	if (notices->backoff_ms > NOTICES_HOUR_MS)
		notices->backoff_ms = NOTICES_HOUR_MS;
	notices->next_ms = clock_mono_ms() + notices->backoff_ms;
	counter_add(COUNTER_NOTICES_FAILED, 1);
	if (atomic_load(since_ms) == 0)
		atomic_store(since_ms, clock_wall_ms());
	log_line(LOG_WARN, "notices",
	    "fail next_ms=%" PRId64
	    " why=%s help=\"try it: currentsd check --notify\"",
	    notices->backoff_ms, LOG_QUOTE(why));
}

/* Make the next post, if there is one to make now. True: there may be more. */
static bool
notices_tell(struct notices *notices)
{
	size_t due = 0, left = notices->settings->per_hour;
	struct notices_post post;
	struct buf body;
	bool single;

	for (const struct notice *n = notices->list; n != NULL; n = n->next)
		due += n->due != NULL;
	for (size_t i = 0; i < NOTICES_PER_HOUR_MOST && i < notices->posts; i++)
		left -= left > 0 && notices->mono_ms - notices->posted_ms[i] <
					NOTICES_HOUR_MS;
	if (due == 0 || left == 0 || notices->mono_ms < notices->next_ms)
		return false;
	single = due == 1 || due < left;
	buf_init(&body, NOTICES_BODY_MAX);
	notices_write(notices, due, single, &body);
	post_run(
	    notices->poster, notices->settings, &body, &notices->stop, &post);
	buf_fini(&body);
	if (post.status / 100 == 2)
		notices_told(notices, single);
	else if (post.done)
		notices_failed(notices, post.why);
	return post.status / 100 == 2;
}

/* ---- the thread ---- */

static void *
notices_main(void *arg)
{
	struct notices *notices = arg;
	int64_t wait_ms = notices->settings->after_ms / 10;
	struct err err;

	if (wait_ms > NOTICES_WAIT_MOST_MS)
		wait_ms = NOTICES_WAIT_MOST_MS;
	if (wait_ms < NOTICES_WAIT_LEAST_MS)
		wait_ms = NOTICES_WAIT_LEAST_MS;
	while (!atomic_load(&notices->stop)) {
		notices_look(notices);
		while (!atomic_load(&notices->stop) && notices_tell(notices))
			;
		if (!atomic_load(&notices->stop))
			(void)!poster_run(notices->poster, wait_ms,
			    post_answered, NULL, &err);
	}
	return NULL;
}

static void
notices_free(struct notices *notices)
{
	while (notices->list != NULL)
		notice_free(notices, &notices->list);
	poster_free(notices->poster);
	free(notices);
}

bool
notices_start(
    struct daemon *daemon, struct notices **ret_notices, struct err *reterr)
{
	const struct notices_settings *settings =
	    &daemon->first.settings->notices;
	struct notices *notices;

	if (settings->url == NULL)
		return true;
	notices = calloc(1, sizeof(*notices));
	if (notices == NULL)
		return err_set_nomem(reterr);
	notices->daemon = daemon;
	notices->settings = settings;
	notices->mono_ms = clock_mono_ms();
	if (!poster_new(&notices->poster, reterr)) {
		notices_free(notices);
		return false;
	}
	notices_restore(notices);
	if (pthread_create(&notices->thread, NULL, notices_main, notices) !=
	    0) {
		notices_free(notices);
		return err_set(reterr, ERR_NOMEM,
		    "cannot start the thread that posts notices");
	}
	*ret_notices = notices;
	return true;
}

void
notices_stop(struct notices *notices)
{
	if (notices == NULL)
		return;
	atomic_store(&notices->stop, true);
	poster_wake(notices->poster);
	CHECK(pthread_join(notices->thread, NULL) == 0);
	notices_free(notices);
}

bool
notices_try(const struct notices_settings *settings, unsigned *ret_status,
    char ret_why[NOTICES_WHY], struct err *reterr)
{
	static const char said[] = "This is a test: notices arrive here.";
	struct poster *poster = NULL;
	struct notices_post post;
	atomic_bool stop = false;
	struct buf text, body;
	struct json json;

	if (!poster_new(&poster, reterr))
		return false;
	buf_init(&text, sizeof(said));
	buf_init(&body, NOTICES_BODY_MAX);
	(void)buf_text(&text, said);
	json_init(&json, &body);
	json_object_open(&json, NULL);
	json_text(&json, "state", "test");
	text_write(&json, &text);
	json_object_close(&json);
	post_run(poster, settings, &body, &stop, &post);
	*ret_status = post.status;
	memcpy(ret_why, post.why, sizeof(post.why));
	poster_free(poster);
	buf_fini(&text);
	buf_fini(&body);
	return true;
}
