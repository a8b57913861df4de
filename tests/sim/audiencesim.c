/*
 * audiencesim: what Braze takes audiences by, attributes and cohorts, with
 * faults on request; it holds the memberships and notes each rule of Braze's
 * that the sender breaks. It shares nothing with the daemon it tests.
 *
 * Read on in audiencesim_judge.c (what is answered), audiencesim_request.c
 * (what Braze refuses), audiencesim_books.c (memberships, rates, the report).
 */

#include "tests/sim/audiencesim_judge.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static void
settings_read(struct audiencesim_settings *settings, int argc, char **argv)
{
	struct sim_text why = {0};
	int rest;

	audiencesim_settings_init(settings);
	rest = sim_options_read(
	    audiencesim_options, audiencesim_about, settings, argc, argv);
	if (rest < argc)
		sim_usage_die("unknown argument: %s", argv[rest]);
	if (!audiencesim_settings_check(settings, &why))
		sim_usage_die("%s", why.at);
}

static void
file_write(const char *path, const struct sim_text *text)
{
	FILE *file;

	if (path[0] == '\0')
		return;
	file = fopen(path, "w");
	if (file == NULL || fwrite(text->at, 1, text->len, file) != text->len ||
	    fclose(file) != 0)
		sim_die("%s: %s", path, strerror(errno));
}

static void
results_write(
    struct audiencesim *sim, const struct audiencesim_settings *settings)
{
	struct sim_reply report = {0};
	struct sim_reply memberships = {0};

	audiencesim_report_show(sim, NULL, &report);
	fwrite(report.body.at, report.body.len, 1, stdout);
	file_write(settings->report, &report.body);
	audiencesim_memberships_show(sim, NULL, &memberships);
	file_write(settings->memberships, &memberships.body);
	sim_text_fini(&report.body);
	sim_text_fini(&memberships.body);
}

int
main(int argc, char **argv)
{
	struct audiencesim_settings settings;
	struct audiencesim *sim;
	struct sim_http *http;
	sigset_t signals;
	int caught;

	settings_read(&settings, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	sim = audiencesim_new(&settings);
	http = sim_http_start(audiencesim_routes, sim, audiencesim_max_bytes,
	    (uint16_t)settings.port);
	printf("listening on 127.0.0.1:%u\n", sim_http_port(http));
	fflush(stdout);
	sigwait(&signals, &caught);
	sim_http_stop(http);
	results_write(sim, &settings);
	audiencesim_free(sim);
	return fflush(stdout) == 0 ? 0 : 1;
}
