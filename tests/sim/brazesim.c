/*
 * brazesim: sends like Braze Currents, and forgives as little. It shares
 * nothing with the daemon it tests.
 *
 * Read on in brazesim_source.c (the events), brazesim_work.c (what is sent
 * next, and the reactions to an answer), brazesim_send.c (the connections),
 * brazesim_books.c (what became of each event).
 */

#include "tests/sim/brazesim_send.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static void
tell_main(void)
{
	kill(getpid(), SIGUSR1); /* blocked in every thread: main waits */
}

/* Until the senders have finished, the deadline is met, or a signal asks to
 * stop; then stops them. */
static void
wait_and_stop(
    const struct brazesim_settings *settings, struct brazesim_work *work)
{
	int64_t end_us = sim_now_us() + (int64_t)(settings->deadline_s * 1e6);
	struct timespec left;
	sigset_t signals;
	int64_t left_us;
	int caught;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	do {
		left_us = end_us - sim_now_us();
		if (settings->deadline_s <= 0)
			left_us = (int64_t)3600 * 1000000;
		else if (left_us < 0)
			left_us = 0;
		left.tv_sec = left_us / 1000000;
		left.tv_nsec = left_us % 1000000 * 1000;
		caught = sigtimedwait(&signals, NULL, &left);
	} while (caught < 0 && (errno == EINTR || settings->deadline_s <= 0));
	brazesim_work_stop(work);
}

static void
signals_block(void)
{
	sigset_t signals;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

int
main(int argc, char **argv)
{
	struct brazesim_settings settings;
	struct brazesim_senders *senders;
	struct brazesim_source *source;
	struct brazesim_books *books;
	struct brazesim_work *work;
	int64_t start_us;
	bool all;

	brazesim_settings_read(&settings, argc, argv);
	source = brazesim_source_new(&settings);
	signals_block();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	books = brazesim_books_new(brazesim_source_count(source));
	work = brazesim_work_new(&settings, source, books);
	start_us = sim_now_us();
	senders = brazesim_senders_start(&settings, source, work, tell_main);
	wait_and_stop(&settings, work);
	brazesim_senders_join(senders);
	brazesim_books_print(books, sim_now_us() - start_us);
	brazesim_list_write(books, source, BRAZESIM_ACKED, settings.acked);
	brazesim_list_write(books, source, BRAZESIM_DELETED, settings.deleted);
	brazesim_list_write(
	    books, source, BRAZESIM_STRANDED, settings.stranded);
	brazesim_list_write(
	    books, source, BRAZESIM_UNRESOLVED, settings.unresolved);
	all = brazesim_books_all_acked(books);
	brazesim_work_free(work);
	brazesim_books_free(books);
	brazesim_source_free(source);
	curl_global_cleanup();
	return all ? 0 : 1;
}
