#ifndef FORWARDER_LANE_H
#define FORWARDER_LANE_H

/*
 * One lane: what it does next, and what an answer changes. No thread, no
 * clock and no HTTP in here: time is an argument, and requests leave through
 * a function, so a whole day can be played in a test.
 */

#include "forwarder/forwarder.h"
#include "forwarder/moment.h"
#include "forwarder/post.h"
#include "forwarder/request.h"

struct lane;

/* How a request leaves. Its answer comes back through lane_answer(), never
 * from within send(). */
struct lane_poster {
	bool (*send)(void *arg, struct lane *lane, struct request *request,
	    struct err *reterr);
	void *arg;
};

/* Settings, queue and poster are lent for the lane's life. The number of the
 * boot (boot.h) says which monotonic clock `now` is of. */
MUST_USE bool
lane_new(const struct forwarder_destination *settings, struct queue *queue,
    const struct lane_poster *poster, uint64_t seed, uint64_t boot,
    const struct moment *now, struct lane **ret_lane, struct err *reterr);

/* Only what lane_end() left. Takes NULL. */
void lane_free(struct lane *lane);

const char *lane_name(const struct lane *lane);

/* Do what can be done now. When (mono) to come again, if nothing happens
 * before; INT64_MAX: never. */
int64_t lane_step(struct lane *lane, const struct moment *now);

/* What came of a request; it belongs to the lane again. */
void lane_answer(struct lane *lane, struct request *request,
    const struct post_answer *answer, const struct moment *now);

/* Something may be due that was not before. */
void lane_look(struct lane *lane);

void lane_pause(struct lane *lane, bool paused, const struct moment *now);

/* Hand back what is not in flight, and what is if it fails. */
void lane_let_go(struct lane *lane);

/* Start nothing new; hand back what is not in flight. */
void lane_wind_down(struct lane *lane);

/* Nothing is in flight, and all is settled. */
bool lane_idle(const struct lane *lane);

/* After lane_wind_down(): give up what is in flight, save the log. */
void lane_end(struct lane *lane, const struct moment *now);

/* Copies what was cut or left out, by property; how many. */
size_t lane_notes(const struct lane *lane,
    struct forwarder_omission ret_notes[FORWARDER_OMISSIONS_MAX]);

void lane_status(const struct lane *lane, const struct moment *now,
    struct forwarder_destination_status *ret_status);

#endif
