/*
 * segmentsim: sends segments as Heap does, and knows at the end what the
 * receiver must hold of each membership. It shares nothing with the daemon it
 * tests.
 *
 * Read on in segmentsim_plan.c (the syncs and their pages), segmentsim_work.c
 * (what is posted next, and the reactions to an answer), segmentsim_sign.c
 * (the signature, and how it may be wrong).
 */

#include "tests/sim/segmentsim_send.h"

#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static void
tell_main(void)
{
	kill(getpid(), SIGUSR2); /* blocked in every thread: main waits */
}

static void
signals_block(sigset_t *signals)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(signals);
	sigaddset(signals, SIGTERM);
	sigaddset(signals, SIGINT);
	sigaddset(signals, SIGUSR1);
	sigaddset(signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, signals, NULL);
}

/* Until the senders have finished, the deadline is met, or a signal asks to
 * stop. */
static void
wait_for_end(const struct segmentsim_settings *settings,
    const sigset_t *signals, struct segmentsim_work *work)
{
	int64_t end_us = sim_now_us() + (int64_t)(settings->deadline_s * 1e6);
	struct timespec left = {0};
	int64_t left_us;
	int caught;

	for (;;) {
		left_us = end_us - sim_now_us();
		if (settings->deadline_s <= 0)
			left_us = (int64_t)3600 * 1000000;
		else if (left_us < 0)
			return;
		left.tv_sec = left_us / 1000000;
		left.tv_nsec = left_us % 1000000 * 1000;
		caught = sigtimedwait(signals, NULL, &left);
		if (caught == SIGUSR1)
			segmentsim_work_repair(work);
		else if (caught > 0)
			return;
	}
}

int
main(int argc, char **argv)
{
	struct segmentsim_settings settings;
	struct segmentsim_senders *senders;
	struct segmentsim_work *work;
	sigset_t signals;
	int64_t start_us;
	bool good;

	segmentsim_settings_read(&settings, argc, argv);
	signals_block(&signals);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	work = segmentsim_work_new(&settings);
	start_us = sim_now_us();
	senders = segmentsim_senders_start(&settings, work, tell_main);
	wait_for_end(&settings, &signals, work);
	segmentsim_work_stop(work);
	segmentsim_senders_join(senders);
	good = segmentsim_work_report(work, sim_now_us() - start_us);
	segmentsim_work_free(work);
	curl_global_cleanup();
	return good ? 0 : 1;
}
