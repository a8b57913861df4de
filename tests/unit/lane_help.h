#ifndef TESTS_UNIT_LANE_HELP_H
#define TESTS_UNIT_LANE_HELP_H

/*
 * The other half of a lane's world: a Heap with latency that counts what
 * arrives in each window, and a clock that jumps from one thing that happens
 * to the next. Included by the tests of lanes, one program each.
 */

#include "lane_queue.h"

/* ---- Heap ---- */

static inline void
world_log_add(struct world_log *log, int64_t ms, unsigned count, size_t *most)
{
	while (log->head < log->count &&
	       log->arrivals[log->head].ms <= ms - QUOTA_WINDOW_MS)
		log->sum -= log->arrivals[log->head++].count;
	if (log->count == log->cap) {
		size_t live = log->count - log->head;

		if (live > 0)
			memmove(log->arrivals, log->arrivals + log->head,
			    live * sizeof(*log->arrivals));
		log->head = 0;
		log->count = live;
		if (live * 2 >= log->cap) {
			log->cap = live * 2 + 16;
			log->arrivals = realloc(
			    log->arrivals, log->cap * sizeof(*log->arrivals));
			assert_non_null(log->arrivals);
		}
	}
	log->arrivals[log->count++] = (struct world_arrival){ms, count};
	log->sum += count;
	if (log->sum > *most)
		*most = log->sum;
}

static inline void
world_say(struct world_flight *flight, long status, const char *words)
{
	flight->answer.status = status;
	flight->answer.words_len = strlen(words);
	memcpy(flight->answer.words, words, strlen(words));
}

static inline void
world_arrive(struct world_flight *flight)
{
	bool bad = false;
	size_t i;

	flight->arrived = true;
	world->arrived += flight->count;
	world_log_add(&world->app, flight->arrive_ms, (unsigned)flight->count,
	    &world->app_most);
	for (i = 0; i < flight->count; i++) {
		struct world_event *event = &world->events[flight->events[i]];

		bad = bad || event->bad;
		world_log_add(&world->who[event->who], flight->arrive_ms, 1,
		    &world->who_most);
	}
	flight->answer.trouble = "";
	if (world->judge != NULL)
		world->judge(world, flight);
	if (flight->answer.status == 0 && flight->answer.curl_code == 0) {
		world_say(flight, bad ? 400 : 200, bad ? "bad" : "{}");
		if (world->all_status != 0)
			world_say(flight, world->all_status, "bad");
	}
	for (i = 0; flight->answer.status == 200 && i < flight->count; i++) {
		struct world_event *event = &world->events[flight->events[i]];

		world->twice += event->accepted;
		event->split =
		    event->split ||
		    (event->accepted && event->at_heap != flight->mapped[i]);
		event->at_heap = flight->mapped[i];
		event->accepted = true;
	}
}

static inline bool
world_send(
    void *arg, struct lane *lane, struct request *request, struct err *reterr)
{
	struct world_flight *flight = world->flights;
	const char *text, *end;
	size_t i;

	(void)arg, (void)reterr;
	while (flight->events != NULL)
		flight++;
	assert_true(flight < world->flights + WORLD_FLIGHTS);
	*flight = (struct world_flight){
	    .lane = lane,
	    .request = request,
	    .count = request->count,
	    .events = calloc(request->count, sizeof(unsigned)),
	    .mapped = calloc(request->count, sizeof(*flight->mapped)),
	};
	world->posts++;
	if (request->count > world->largest)
		world->largest = request->count;
	flight->arrive_ms =
	    world->now.mono_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	flight->answer_ms =
	    flight->arrive_ms +
	    (int64_t)world_random((uint64_t)world->latency_ms + 1);
	/* What Heap reads are the bytes, not the items. */
	text = memchr(request->body.data, '[', request->body.len);
	for (i = 0; i < request->count; i++) {
		flight->events[i] = (unsigned)strtoul(text + 1, NULL, 10);
		flight->mapped[i] = world->events[flight->events[i]].mapped;
		end = text + 1 + strlen(world->events[flight->events[i]].text);
		assert_true(*end == (i + 1 < request->count ? ',' : ']'));
		text = end;
	}
	assert_ptr_equal(text + 1, request->body.data + request->body.len);
	if (world->body_most > 0 && request->body.len > world->body_most)
		world_say(flight, 413, "bad");
	return true;
}

/* ---- the world ---- */

static inline void
world_lane_start(void)
{
	struct lane_poster poster = {.send = world_send};
	struct err err;

	assert_true(lane_new(&world->settings, NULL, &poster, 1, world->boot,
	    &world->now, &world->lane, &err));
}

/* A world of `count` waiting events of as many identities as there are. */
static inline void
world_start(size_t count)
{
	size_t i;

	world = calloc(1, sizeof(*world));
	world->now = (struct moment){INT64_C(1795000000000), 5000000};
	world->boot = 7;
	world->most = world->count = count;
	world->events = calloc(count + 1, sizeof(*world->events));
	world->back = calloc(count + 1, sizeof(*world->back));
	world->who = calloc(WORLD_WHO, sizeof(*world->who));
	world->latency_ms = 20;
	for (i = 0; i < count; i++) {
		(void)snprintf(world->events[i].text,
		    sizeof(world->events[i].text), "%zu", i);
		world->events[i].who = (unsigned)(i % WORLD_WHO);
	}
	forwarder_destination_init(&world->settings);
	world->settings.name = "test";
	world->settings.app_id = "1";
	world->settings.events_per_minute = 0;
	world->settings.identity_per_minute = 0;
}

/* A planned stop, or (the queue being broken) a crash: what was in flight
 * still arrives, but nobody hears the answer. */
static inline void
world_lane_stop(bool crash)
{
	size_t i;

	world->broken = crash;
	lane_wind_down(world->lane);
	lane_end(world->lane, &world->now);
	lane_free(world->lane);
	world->lane = NULL;
	world->broken = false;
	for (i = 0; i < WORLD_FLIGHTS; i++)
		world->flights[i].request = NULL;
}

static inline void
world_end(void)
{
	size_t i;

	if (world->lane != NULL)
		world_lane_stop(false);
	assert_int_equal(world->leased, 0);
	for (i = 0; i < WORLD_FLIGHTS; i++)
		free(world->flights[i].events), free(world->flights[i].mapped);
	for (i = 0; i < WORLD_WHO; i++)
		free(world->who[i].arrivals);
	free(world->app.arrivals);
	free(world->saved.sends);
	free(world->doubt);
	free(world->who);
	free(world->back);
	free(world->events);
	free(world);
}

/* The flight to which something happens next, and when. */
static inline struct world_flight *
world_flight_next(int64_t *ret_ms)
{
	struct world_flight *next = NULL;
	size_t i;

	*ret_ms = INT64_MAX;
	for (i = 0; i < WORLD_FLIGHTS; i++) {
		struct world_flight *flight = &world->flights[i];
		int64_t ms =
		    flight->arrived ? flight->answer_ms : flight->arrive_ms;

		if (flight->events == NULL || ms >= *ret_ms)
			continue;
		next = flight;
		*ret_ms = ms;
	}
	return next;
}

static inline void
world_flight_move(struct world_flight *flight)
{
	if (!flight->arrived) {
		world_arrive(flight);
		return;
	}
	free(flight->events);
	free(flight->mapped);
	flight->events = NULL;
	flight->mapped = NULL;
	if (flight->request != NULL)
		lane_answer(flight->lane, flight->request, &flight->answer,
		    &world->now);
}

/* Let ms milliseconds pass. */
static inline void
world_pass(int64_t ms)
{
	int64_t end_ms = world->now.mono_ms + ms, next_ms, flight_ms;
	struct world_flight *flight;

	for (;;) {
		next_ms = lane_step(world->lane, &world->now);
		flight = world_flight_next(&flight_ms);
		if (flight_ms < next_ms)
			next_ms = flight_ms;
		if (next_ms < world->now.mono_ms)
			next_ms = world->now.mono_ms;
		if (next_ms > end_ms)
			next_ms = end_ms;
		world->now.wall_ms += next_ms - world->now.mono_ms;
		world->now.mono_ms = next_ms;
		if (flight != NULL && flight_ms <= next_ms)
			world_flight_move(flight);
		else if (next_ms == end_ms)
			return;
	}
}

static inline struct forwarder_destination_status
world_status(void)
{
	struct forwarder_destination_status status;

	lane_status(world->lane, &world->now, &status);
	return status;
}

#endif
