/*
 * The order in which a track request is judged: it is read, so that its
 * events count as arrived whatever follows; then the faults that were asked
 * for, then the quotas, then Heap's own refusals; then it is stored, and
 * only then the faults that make the outcome unknown to the sender.
 *
 * Requests are read outside the lock; books, settings and the random choices
 * are under it.
 */

#include "tests/sim/heapsim_judge.h"
#include "tests/sim/heapsim_books.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct heapsim {
	pthread_mutex_t lock;
	/* guarded by lock */
	struct heapsim_settings settings;
	struct heapsim_books *books;
	struct sim_random random;
};

enum fault {
	FAULT_NONE,
	FAULT_FAIL,
	FAULT_HANG,
	FAULT_RESET,
	FAULT_FAIL_AFTER,
	FAULT_HANG_AFTER,
	FAULT_RESET_AFTER,
	FAULT_CLOSE,
};

struct heapsim *
heapsim_new(const struct heapsim_settings *settings)
{
	struct heapsim *sim = sim_alloc(sizeof(*sim));

	pthread_mutex_init(&sim->lock, NULL);
	sim->settings = *settings;
	sim->books = heapsim_books_new();
	sim_random_init(&sim->random, (uint64_t)settings->seed);
	return sim;
}

void
heapsim_free(struct heapsim *sim)
{
	heapsim_books_free(sim->books);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

static void
settings_copy(struct heapsim *sim, struct heapsim_settings *ret_settings)
{
	pthread_mutex_lock(&sim->lock);
	*ret_settings = sim->settings;
	pthread_mutex_unlock(&sim->lock);
}

int64_t
heapsim_max_bytes(void *context)
{
	struct heapsim_settings settings;

	settings_copy(context, &settings);
	return settings.max_bytes;
}

/* One choice for each request, so that the percentages exclude each other
 * and the same requests in the same order meet the same faults. */
static enum fault
fault_choose(struct heapsim *sim, const struct heapsim_settings *settings)
{
	const double percents[] = {
	    [FAULT_NONE] = 0,
	    [FAULT_FAIL] = settings->fail_percent,
	    [FAULT_HANG] = settings->hang_percent,
	    [FAULT_RESET] = settings->reset_percent,
	    [FAULT_FAIL_AFTER] = settings->fail_after_percent,
	    [FAULT_HANG_AFTER] = settings->hang_after_percent,
	    [FAULT_RESET_AFTER] = settings->reset_after_percent,
	    [FAULT_CLOSE] = settings->close_percent,
	};
	double choice = sim_random_unit(&sim->random) * 100;
	unsigned i;

	for (i = FAULT_FAIL; i <= FAULT_CLOSE; i++) {
		if (choice < percents[i])
			return (enum fault)i;
		choice -= percents[i];
	}
	return FAULT_NONE;
}

/* May be called again: a later decision replaces an earlier one. */
static void
reply_status(struct sim_reply *reply, unsigned status, const char *text)
{
	reply->manner = SIM_ANSWER;
	reply->status = status;
	reply->content_type = status == 200 ? "application/json" : "text/plain";
	sim_text_clear(&reply->body);
	sim_text_print(&reply->body, "%s", text);
}

static void
reply_manner(struct heapsim *sim, struct sim_reply *reply,
    enum sim_manner manner, enum heapsim_count what)
{
	reply->manner = manner;
	heapsim_books_count(sim->books, what, 1);
}

/* Heap names the fault in the body, and the forwarder may log it. */
static void
reply_refusal(struct heapsim *sim, struct sim_reply *reply, unsigned status,
    const char *why)
{
	heapsim_books_refused(sim->books, why);
	reply_status(reply, status, why);
}

/* A request with a bad event in it. */
static void
reply_bad(struct heapsim *sim, const struct heapsim_settings *settings,
    struct sim_reply *reply, const char *why)
{
	if (settings->refuse == HEAPSIM_REFUSE_RESET)
		reply_manner(sim, reply, SIM_CLOSE, HEAPSIM_RESET);
	else if (settings->refuse == HEAPSIM_REFUSE_HANG)
		reply_manner(sim, reply, SIM_HANG, HEAPSIM_HUNG);
	else
		reply_refusal(
		    sim, reply, (unsigned)settings->refuse_status, why);
}

/* The status that every request is answered at present; 0: none. */
static int64_t
refuse_all_now(const struct heapsim_settings *settings)
{
	if (settings->refuse_all_ms > 0 &&
	    sim_now_ms() % settings->refuse_all_every_ms >=
		settings->refuse_all_ms)
		return 0;
	return settings->refuse_all;
}

/* True if the reply is decided before anything of Heap's own is looked at. */
static bool
fault_before(struct heapsim *sim, const struct heapsim_settings *settings,
    enum fault fault, struct sim_reply *reply)
{
	int64_t status = refuse_all_now(settings);

	if (fault == FAULT_RESET) {
		reply_manner(sim, reply, SIM_CLOSE, HEAPSIM_RESET);
		return true;
	}
	if (fault == FAULT_HANG) {
		reply_manner(sim, reply, SIM_HANG, HEAPSIM_HUNG);
		return true;
	}
	if (status == 0 && fault == FAULT_FAIL)
		status = settings->fail_status;
	if (status == 0)
		return false;
	heapsim_books_count(sim->books, HEAPSIM_FAILED, 1);
	reply_status(reply, (unsigned)status, "the simulator was told so");
	return true;
}

/* The events are stored; whatever is answered now is a lie or a silence. */
static void
fault_after(struct heapsim *sim, const struct heapsim_settings *settings,
    enum fault fault, struct sim_reply *reply)
{
	reply_status(reply, 200, "{}");
	switch (fault) {
	case FAULT_NONE:
	case FAULT_FAIL:
	case FAULT_HANG:
	case FAULT_RESET:
		break;
	case FAULT_FAIL_AFTER:
		heapsim_books_count(sim->books, HEAPSIM_FAILED_AFTER, 1);
		reply_status(reply, (unsigned)settings->fail_after_status,
		    "stored, but the simulator was told so");
		break;
	case FAULT_HANG_AFTER:
		reply_manner(sim, reply, SIM_HANG, HEAPSIM_HUNG);
		break;
	case FAULT_RESET_AFTER:
		reply_manner(sim, reply, SIM_CLOSE, HEAPSIM_RESET);
		break;
	case FAULT_CLOSE:
		reply_manner(sim, reply, SIM_ANSWER_CUT, HEAPSIM_CUT);
		break;
	}
}

/* NULL, or why the request is refused before its body is looked at. */
static const char *
headers_flaw(const struct sim_call *call)
{
	static const char json[] = "application/json";
	size_t len = sizeof(json) - 1;
	const char *type = sim_call_header(call, "Content-Type");

	if (type == NULL || strncasecmp(type, json, len) != 0 ||
	    (type[len] != '\0' && type[len] != ';' && type[len] != ' '))
		return "Content-Type should be application/json";
	if (sim_call_header(call, "Content-Encoding") != NULL)
		return "Content-Encoding should be absent";
	return NULL;
}

/* Heap's own judgement; true if the good events were stored. */
static bool
track_judge(struct heapsim *sim, const struct heapsim_settings *settings,
    const struct heapsim_request *request, bool over, int64_t now_ms,
    struct sim_reply *reply)
{
	bool drop = over && settings->quota &&
		    settings->over_quota == HEAPSIM_OVER_DROP;

	if (over && settings->quota && !drop) {
		heapsim_books_count(sim->books, HEAPSIM_OVER_QUOTA, 1);
		heapsim_books_count(
		    sim->books, HEAPSIM_OVER_QUOTA_EVENTS, request->n);
		reply_status(reply, 429, "too many events");
		return false;
	}
	if (request->flawed != NULL &&
	    settings->refuse != HEAPSIM_REFUSE_EVENT) {
		heapsim_books_admit(sim->books, request, settings, now_ms);
		reply_bad(sim, settings, reply,
		    heapsim_request_text(request, request->flawed->flaw));
		return false;
	}
	if (!drop)
		heapsim_books_admit(sim->books, request, settings, now_ms);
	heapsim_books_store(sim->books, request, settings, now_ms, drop);
	return true;
}

/* Under the lock. why is NULL if the request could be read. */
static void
track_decide(struct heapsim *sim, const struct heapsim_settings *settings,
    const struct sim_call *call, const struct heapsim_request *request,
    const char *why, struct sim_reply *reply)
{
	enum fault fault = fault_choose(sim, settings);
	int64_t now_ms = sim_now_ms();
	bool over = false;

	heapsim_books_count(sim->books, HEAPSIM_REQUESTS, 1);
	if (why == NULL)
		over =
		    heapsim_books_arrive(sim->books, request, settings, now_ms);
	if (fault_before(sim, settings, fault, reply)) {
		if (why == NULL)
			heapsim_books_admit(
			    sim->books, request, settings, now_ms);
	} else if (call->too_large) {
		reply_status(reply, 413, "too large");
	} else if (why != NULL) {
		reply_refusal(sim, reply, 400, why);
	} else if (track_judge(sim, settings, request, over, now_ms, reply)) {
		fault_after(sim, settings, fault, reply);
	}
}

/* Only what is sent in full counts as answered with its status. */
static void
reply_finish(struct heapsim *sim, const struct heapsim_settings *settings,
    struct sim_reply *reply)
{
	reply->delay_ms = settings->delay_ms;
	if (settings->retry_after[0] != '\0' &&
	    (reply->status == 429 || reply->status >= 500))
		sim_reply_header(
		    reply, "Retry-After", "%s", settings->retry_after);
	if (reply->manner == SIM_ANSWER)
		heapsim_books_answered(sim->books, reply->status);
}

/* The settings are those of the moment the request came. */
static void
track(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	struct heapsim_request request = {0};
	struct heapsim_settings settings;
	const char *why = headers_flaw(call);

	settings_copy(sim, &settings);
	if (why == NULL && !call->too_large &&
	    !heapsim_request_read(&request, call->body, call->len, &settings))
		why = request.why.at;
	if (call->too_large)
		why = "too large";
	pthread_mutex_lock(&sim->lock);
	track_decide(sim, &settings, call, &request, why, reply);
	reply_finish(sim, &settings, reply);
	pthread_mutex_unlock(&sim->lock);
	heapsim_request_fini(&request);
}

/* Nothing sends these yet: counted, so that a test could see one. */
static void
user_properties(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	const char *why = headers_flaw(call);
	struct sim_json json;
	size_t offset;

	if (why == NULL &&
	    (call->too_large ||
		!sim_json_read(call->body, call->len, &json, &offset) ||
		json.type != SIM_JSON_OBJECT))
		why = "postBody should be object";
	pthread_mutex_lock(&sim->lock);
	heapsim_books_count(sim->books, HEAPSIM_REQUESTS, 1);
	if (why != NULL) {
		reply_refusal(sim, reply, 400, why);
	} else if (!fault_before(sim, &sim->settings,
		       fault_choose(sim, &sim->settings), reply)) {
		heapsim_books_count(sim->books, HEAPSIM_USER_PROPERTIES, 1);
		reply_status(reply, 200, "{}");
	}
	reply_finish(sim, &sim->settings, reply);
	pthread_mutex_unlock(&sim->lock);
}

static void
settings_show(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	struct heapsim_settings settings;
	json_t *object;
	char *text;

	(void)call;
	settings_copy(sim, &settings);
	object = sim_options_show(sim_options_live(heapsim_options), &settings);
	text = json_dumps(object, 0);
	reply_status(reply, 200, text != NULL ? text : "{}");
	free(text);
	json_decref(object);
}

static void
control(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	struct sim_text why = {0};
	bool good;

	pthread_mutex_lock(&sim->lock);
	good =
	    heapsim_settings_merge(&sim->settings, call->body, call->len, &why);
	pthread_mutex_unlock(&sim->lock);
	if (good)
		settings_show(sim, call, reply);
	else
		reply_status(reply, 400, why.at);
	sim_text_fini(&why);
}

/* The random choices begin anew too: a test can be repeated exactly. */
static void
reset(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	(void)call;
	pthread_mutex_lock(&sim->lock);
	heapsim_books_free(sim->books);
	sim->books = heapsim_books_new();
	sim_random_init(&sim->random, (uint64_t)sim->settings.seed);
	pthread_mutex_unlock(&sim->lock);
	reply_status(reply, 200, "{}");
}

void
heapsim_books_show(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	(void)call;
	reply_status(reply, 200, "");
	pthread_mutex_lock(&sim->lock);
	heapsim_books_write(sim->books, &reply->body);
	pthread_mutex_unlock(&sim->lock);
}

/* Everyone waits while the list is made: it is of one moment. */
static void
keys_show(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	(void)call;
	reply_status(reply, 200, "");
	reply->content_type = "text/plain";
	pthread_mutex_lock(&sim->lock);
	heapsim_keys_write(sim->books, &reply->body);
	pthread_mutex_unlock(&sim->lock);
}

static void
event_show(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct heapsim *sim = context;
	const char *key = sim_call_query(call, "key");
	struct sim_text json = {0};
	unsigned status = 400;

	if (key != NULL) {
		pthread_mutex_lock(&sim->lock);
		status = heapsim_event_write(sim->books, key, &json);
		pthread_mutex_unlock(&sim->lock);
	}
	if (status == 200)
		reply_status(reply, status, json.at);
	else
		reply_status(reply, status, "no such event is kept");
	sim_text_fini(&json);
}

const struct sim_route heapsim_routes[] = {
    {"/api/track", "POST", track, NULL, true},
    {"/api/add_user_properties", "POST", user_properties, NULL, true},
    {"/control", "POST", control, NULL, false},
    {"/control", "GET", settings_show, NULL, false},
    {"/reset", "POST", reset, NULL, false},
    {"/books", "GET", heapsim_books_show, NULL, false},
    {"/keys", "GET", keys_show, NULL, false},
    {"/event", "GET", event_show, NULL, false},
    {.path = NULL},
};
