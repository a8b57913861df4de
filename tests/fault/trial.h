#ifndef TESTS_FAULT_TRIAL_H
#define TESTS_FAULT_TRIAL_H

/*
 * Trials: the same work again and again, each time with one fault, a step
 * later each time, until the work ends before the fault. After each the
 * fault ends, and the queue must work again and have lost nothing.
 */

#include "fault_help.h"
#include "verify.h"

struct trial {
	struct places places;
	/* A queue whose process was killed: its disk, tape and model. */
	struct disk *killed_disk;
	struct tape killed_tape;
	struct model killed_model;
	/* of the running trial */
	struct tape tape;
	struct model model;
	int64_t end; /* of the tape when the queue was closed */
	size_t trials;
};

void trial_init(struct trial *trial);
void trial_fini(struct trial *trial);

/* Sets the fault; ends it, and says if it struck. */
typedef void trial_arm_fn(void *arg, long nth);
typedef bool trial_disarm_fn(void);

/*
 * One trial, of a queue that is made (fresh) or found as the killed process
 * left it. False if the fault did not strike. The tape and the model are
 * there to be looked at until trial_end().
 */
bool trial_run(struct trial *trial, bool fresh, trial_arm_fn *arm,
    trial_disarm_fn *disarm, void *arg, long nth);
void trial_end(struct trial *trial);

/* Power cuts of the trial's tape, now that it is over. */
void trial_cut(struct trial *trial, size_t disks, uint64_t seed);

#endif
