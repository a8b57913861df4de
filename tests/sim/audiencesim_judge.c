/*
 * The order in which a request is judged: it is read, so that it counts as
 * arrived and its breaches of the rules are noted whatever follows; then the
 * faults that were asked for, the limits, and Braze's own refusals; then it
 * is taken, whole or the first half of it, and only then come the faults that
 * make the outcome unknown to the sender.
 */

#include "tests/sim/audiencesim_judge.h"
#include "tests/sim/audiencesim_request.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct audiencesim {
	pthread_mutex_t lock;
	/* guarded by lock */
	struct audiencesim_settings settings;
	struct audiencesim_books *books;
	struct sim_random random;
	uint64_t requests;
};

enum fault {
	FAULT_NONE,
	FAULT_FAIL,
	FAULT_HANG,
	FAULT_RESET,
	FAULT_AMID,
	FAULT_FAIL_AFTER,
	FAULT_HANG_AFTER,
	FAULT_RESET_AFTER,
	FAULT_CLOSE,
};

struct audiencesim *
audiencesim_new(const struct audiencesim_settings *settings)
{
	struct audiencesim *sim = sim_alloc(sizeof(*sim));

	pthread_mutex_init(&sim->lock, NULL);
	sim->settings = *settings;
	sim->books = audiencesim_books_new();
	sim_random_init(&sim->random, (uint64_t)settings->seed);
	return sim;
}

void
audiencesim_free(struct audiencesim *sim)
{
	audiencesim_books_free(sim->books);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

int64_t
audiencesim_max_bytes(void *context)
{
	struct audiencesim *sim = context;
	int64_t max_bytes;

	pthread_mutex_lock(&sim->lock);
	max_bytes = sim->settings.max_bytes;
	pthread_mutex_unlock(&sim->lock);
	return max_bytes;
}

/* One choice for each request, so that the percentages exclude each other
 * and the same requests in the same order meet the same faults. */
static enum fault
fault_choose(struct audiencesim *sim)
{
	const struct audiencesim_settings *settings = &sim->settings;
	const double percents[] = {
	    [FAULT_NONE] = 0,
	    [FAULT_FAIL] = settings->fail_percent,
	    [FAULT_HANG] = settings->hang_percent,
	    [FAULT_RESET] = settings->reset_percent,
	    [FAULT_AMID] = settings->amid_percent,
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
reply_text(struct sim_reply *reply, unsigned status, const char *type,
    const char *text)
{
	reply->manner = SIM_ANSWER;
	reply->status = status;
	reply->content_type = type;
	sim_text_clear(&reply->body);
	sim_text_print(&reply->body, "%s", text);
}

/* Takes the answer. */
static void
reply_json(struct sim_reply *reply, unsigned status, json_t *answer)
{
	char *text = json_dumps(answer, JSON_COMPACT);

	reply_text(
	    reply, status, "application/json", text != NULL ? text : "?");
	free(text);
	json_decref(answer);
}

static void
reply_message(struct sim_reply *reply, unsigned status, const char *message)
{
	reply_json(reply, status, json_pack("{s:s}", "message", message));
}

static void
reply_manner(struct audiencesim *sim, struct sim_reply *reply,
    enum sim_manner manner, enum audiencesim_count what)
{
	reply->manner = manner;
	audiencesim_books_count(sim->books, what, 1);
}

static unsigned
status_of(struct audiencesim *sim, int64_t status)
{
	static const unsigned any[] = {423, 429, 500, 502, 503, 504};

	if (status != 0)
		return (unsigned)status;
	return any[sim_random_next(&sim->random) %
		   (sizeof(any) / sizeof(any[0]))];
}

/* The status that every request is answered at present; 0: none. */
static int64_t
refuse_all_now(const struct audiencesim_settings *settings)
{
	if (settings->refuse_all_ms > 0 &&
	    sim_now_ms() % settings->refuse_all_every_ms >=
		settings->refuse_all_ms)
		return 0;
	return settings->refuse_all;
}

/* True if the reply is decided before anything of Braze's own is looked at. */
static bool
fault_before(struct audiencesim *sim, enum fault fault, struct sim_reply *reply)
{
	int64_t status = refuse_all_now(&sim->settings);

	if (fault == FAULT_RESET) {
		reply_manner(sim, reply, SIM_CLOSE, AUDIENCESIM_RESET);
		return true;
	}
	if (fault == FAULT_HANG) {
		reply_manner(sim, reply, SIM_HANG, AUDIENCESIM_HUNG);
		return true;
	}
	if (status == 0 && fault != FAULT_FAIL)
		return false;
	if (status == 0)
		status = status_of(sim, sim->settings.fail_status);
	audiencesim_books_count(sim->books, AUDIENCESIM_FAILED, 1);
	reply_message(reply, (unsigned)status, "the simulator was told so");
	return true;
}

/* All is taken; whatever is answered now is a lie or a silence. */
static void
fault_after(struct audiencesim *sim, enum fault fault, struct sim_reply *reply)
{
	switch (fault) {
	case FAULT_NONE:
	case FAULT_FAIL:
	case FAULT_HANG:
	case FAULT_RESET:
		break;
	case FAULT_AMID:
		reply_manner(sim, reply, SIM_CLOSE, AUDIENCESIM_FAILED_AMID);
		break;
	case FAULT_FAIL_AFTER:
		audiencesim_books_count(
		    sim->books, AUDIENCESIM_FAILED_AFTER, 1);
		reply_message(reply,
		    status_of(sim, sim->settings.fail_after_status),
		    "taken, but the simulator was told so");
		break;
	case FAULT_HANG_AFTER:
		reply_manner(sim, reply, SIM_HANG, AUDIENCESIM_HUNG);
		break;
	case FAULT_RESET_AFTER:
		reply_manner(sim, reply, SIM_CLOSE, AUDIENCESIM_RESET);
		break;
	case FAULT_CLOSE:
		reply_manner(sim, reply, SIM_ANSWER_CUT, AUDIENCESIM_CUT);
		break;
	}
}

static void
request_take(struct audiencesim *sim, struct audiencesim_request *request,
    enum fault fault)
{
	size_t n = fault == FAULT_AMID ? request->n / 2 : request->n;
	struct audiencesim_cohort *made = request->cohort;
	size_t i;

	for (i = 0; i < n; i++)
		audiencesim_books_apply(sim->books, &sim->settings,
		    &sim->random, &request->changes[i]);
	if (request->name == NULL || fault == FAULT_AMID)
		return;
	made->made++;
	if (made->name != NULL && strcmp(made->name, request->name) != 0)
		made->renamed++;
	free(made->name);
	made->name = request->name;
	request->name = NULL;
}

/* Errors stand beside "success" if other objects were taken. */
static json_t *
answer_make(const struct audiencesim_request *request, const char *message)
{
	json_t *answer = json_pack("{s:s}", "message", message);

	if (request->status == 0 && request->good > 0)
		json_object_set_new(answer, "attributes_processed",
		    json_integer((json_int_t)request->good));
	if (request->errors != NULL)
		json_object_set(answer, "errors", request->errors);
	if (request->profiles != NULL) {
		json_object_set(answer, "users", request->profiles);
		json_object_set(answer, "invalid_user_ids", request->missing);
	}
	return answer;
}

/* Braze's own judgement. */
static void
request_judge(struct audiencesim *sim, struct audiencesim_request *request,
    bool within_limit, enum fault fault, struct sim_reply *reply)
{
	audiencesim_books_count(sim->books, AUDIENCESIM_REFUSED_OBJECTS,
	    json_array_size(request->errors));
	if (!within_limit) {
		audiencesim_books_count(sim->books, AUDIENCESIM_LIMITED, 1);
		reply_message(reply, 429, "Rate limit exceeded");
	} else if (request->status != 0) {
		audiencesim_books_count(sim->books, AUDIENCESIM_REFUSED, 1);
		reply_json(
		    reply, request->status, answer_make(request, request->why));
	} else {
		request_take(sim, request, fault);
		reply_json(reply, 201, answer_make(request, "success"));
		fault_after(sim, fault, reply);
	}
}

/* On contracts with a limit of their own a 429 says only when to come back. */
static void
limit_show(const struct audiencesim_settings *settings, int64_t limit,
    uint64_t left, struct sim_reply *reply)
{
	int64_t reset_s = settings->retry_after_s;

	switch ((enum audiencesim_limit_headers)settings->limit_headers) {
	case AUDIENCESIM_HEADERS_NONE:
		return;
	case AUDIENCESIM_HEADERS_RETRY:
		if (reply->status == 429)
			sim_reply_header(reply, "x-ratelimit-retry-after",
			    "%lld", (long long)reset_s);
		return;
	case AUDIENCESIM_HEADERS_UTC:
		reset_s += (int64_t)time(NULL);
		break;
	case AUDIENCESIM_HEADERS_LEFT:
		break;
	}
	sim_reply_header(reply, "x-ratelimit-limit", "%lld", (long long)limit);
	sim_reply_header(reply, "x-ratelimit-remaining", "%llu",
	    reply->status == 429 ? 0 : (unsigned long long)left);
	sim_reply_header(
	    reply, "x-ratelimit-reset", "%lld", (long long)reset_s);
}

/* Only what is sent in full counts as answered with its status. */
static void
api_call(struct audiencesim *sim, const struct sim_call *call,
    enum audiencesim_api api, void (*read)(struct audiencesim_request *request),
    int64_t limit, struct sim_reply *reply)
{
	struct audiencesim_request request = {
	    .books = sim->books,
	    .settings = &sim->settings,
	    .call = call,
	    .number = ++sim->requests,
	};
	enum fault fault = fault_choose(sim);
	uint64_t left;
	bool within_limit;

	audiencesim_books_count(sim->books, AUDIENCESIM_REQUESTS, 1);
	read(&request);
	within_limit = audiencesim_books_arrive(
	    sim->books, &sim->settings, api, request.items, &left);
	if (!fault_before(sim, fault, reply))
		request_judge(sim, &request, within_limit, fault, reply);
	limit_show(&sim->settings, limit, left, reply);
	reply->delay_ms = sim->settings.delay_ms;
	if (reply->manner == SIM_ANSWER)
		audiencesim_books_answered(sim->books, reply->status);
	audiencesim_request_fini(&request);
}

static void
track(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	pthread_mutex_lock(&sim->lock);
	api_call(sim, call, AUDIENCESIM_TRACK, audiencesim_track_read,
	    sim->settings.track_limit, reply);
	pthread_mutex_unlock(&sim->lock);
}

static void export(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	pthread_mutex_lock(&sim->lock);
	api_call(sim, call, AUDIENCESIM_EXPORT, audiencesim_export_read,
	    sim->settings.export_limit, reply);
	pthread_mutex_unlock(&sim->lock);
}

static void
cohort(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	pthread_mutex_lock(&sim->lock);
	api_call(sim, call, AUDIENCESIM_COHORTS, audiencesim_cohort_read,
	    sim->settings.cohorts_limit, reply);
	pthread_mutex_unlock(&sim->lock);
}

static void
cohort_users(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	pthread_mutex_lock(&sim->lock);
	api_call(sim, call, AUDIENCESIM_COHORTS, audiencesim_cohort_users_read,
	    sim->settings.cohorts_limit, reply);
	pthread_mutex_unlock(&sim->lock);
}

static void
cohort_done(void *context, const struct sim_call *call)
{
	struct audiencesim *sim = context;

	pthread_mutex_lock(&sim->lock);
	audiencesim_cohort_free(sim->books, call);
	pthread_mutex_unlock(&sim->lock);
}

static void
settings_show(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	(void)call;
	pthread_mutex_lock(&sim->lock);
	reply_json(reply, 200,
	    sim_options_show(
		sim_options_live(audiencesim_options), &sim->settings));
	pthread_mutex_unlock(&sim->lock);
}

/* On a copy: half a change would be worse than none. */
static void
control(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;
	struct audiencesim_settings settings;
	struct sim_text why = {0};
	bool good;

	pthread_mutex_lock(&sim->lock);
	settings = sim->settings;
	good = sim_options_merge(sim_options_live(audiencesim_options),
		   &settings, call->body, call->len, &why) &&
	       audiencesim_settings_check(&settings, &why);
	if (good)
		sim->settings = settings;
	pthread_mutex_unlock(&sim->lock);
	if (good)
		settings_show(sim, call, reply);
	else
		reply_text(reply, 400, "text/plain", why.at);
	sim_text_fini(&why);
}

/* The random choices begin anew too: a test can be repeated exactly. */
static void
reset(void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	(void)call;
	pthread_mutex_lock(&sim->lock);
	audiencesim_books_free(sim->books);
	sim->books = audiencesim_books_new();
	sim_random_init(&sim->random, (uint64_t)sim->settings.seed);
	pthread_mutex_unlock(&sim->lock);
	reply_text(reply, 200, "application/json", "{}");
}

void
audiencesim_report_show(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	(void)call;
	reply_text(reply, 200, "application/json", "");
	pthread_mutex_lock(&sim->lock);
	audiencesim_report_write(sim->books, &reply->body);
	pthread_mutex_unlock(&sim->lock);
}

/* Everyone waits while the list is made: it is of one moment. */
void
audiencesim_memberships_show(
    void *context, const struct sim_call *call, struct sim_reply *reply)
{
	struct audiencesim *sim = context;

	(void)call;
	reply_text(reply, 200, "text/plain", "");
	pthread_mutex_lock(&sim->lock);
	audiencesim_memberships_write(sim->books, &reply->body);
	pthread_mutex_unlock(&sim->lock);
}

const struct sim_route audiencesim_routes[] = {
    {"/users/track", "POST", track, NULL, true},
    {"/users/export/ids", "POST", export, NULL, true},
    {"/partners/?*/cohorts", "POST", cohort, cohort_done, true},
    {"/partners/?*/cohorts/users", "POST", cohort_users, cohort_done, true},
    {"/control", "POST", control, NULL, false},
    {"/control", "GET", settings_show, NULL, false},
    {"/reset", "POST", reset, NULL, false},
    {"/report", "GET", audiencesim_report_show, NULL, false},
    {"/memberships", "GET", audiencesim_memberships_show, NULL, false},
    {.path = NULL},
};
