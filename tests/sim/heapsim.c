/*
 * heapsim: Heap's server-side API as far as its contract is known, with
 * faults on request and books of what has come. It shares nothing with the
 * daemon it tests, so that both cannot be wrong in the same way.
 *
 * Read on in sim_http.c (network), heapsim_judge.c (what is answered),
 * heapsim_request.c and heapsim_event.c (what Heap refuses), heapsim_books.c
 * (keys and quotas), heapsim_report.c (showing them).
 */

#include "tests/sim/heapsim_judge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void
books_save(const char *path, const struct sim_text *books)
{
	FILE *file = fopen(path, "w");

	if (file == NULL || fwrite(books->at, books->len, 1, file) != 1 ||
	    fclose(file) != 0)
		sim_die("%s: %s", path, strerror(errno));
}

static void
settings_read(struct heapsim_settings *settings, int argc, char **argv)
{
	struct sim_text why = {0};
	int rest;

	heapsim_settings_init(settings);
	rest = sim_options_read(
	    heapsim_options, heapsim_about, settings, argc, argv);
	if (rest < argc)
		sim_usage_die("unknown argument: %s", argv[rest]);
	if (!heapsim_settings_check(settings, &why))
		sim_usage_die("%s", why.at);
}

int
main(int argc, char **argv)
{
	struct heapsim_settings settings;
	struct sim_reply books = {0};
	struct sim_http *http;
	struct heapsim *sim;
	sigset_t signals;
	int caught;

	settings_read(&settings, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sim = heapsim_new(&settings);
	http = sim_http_start(
	    heapsim_routes, sim, heapsim_max_bytes, (uint16_t)settings.port);
	printf("listening on 127.0.0.1:%u\n", sim_http_port(http));
	fflush(stdout);
	sigwait(&signals, &caught);
	sim_http_stop(http);
	heapsim_books_show(sim, NULL, &books);
	fwrite(books.body.at, books.body.len, 1, stdout);
	if (settings.books[0] != '\0')
		books_save(settings.books, &books.body);
	sim_text_fini(&books.body);
	heapsim_free(sim);
	return fflush(stdout) == 0 ? 0 : 1;
}
