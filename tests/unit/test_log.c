/*
 * The two forms of a line; repeats; and a log that nobody reads: no thread
 * waits for it, and what is dropped is counted. stderr is a pipe here, and its
 * reader this test.
 */

#include "base/clock.h"
#include "base/counters.h"
#include "base/log.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { RING = 64 * 1024, LINES = 20000, OUTPUT = 1024 * 1024 };

struct output {
	char data[OUTPUT];
	size_t len;
};

static void
output_read(struct output *output, int fd)
{
	ssize_t len;

	output->len = 0;
	while ((len = read(fd, output->data + output->len,
		    OUTPUT - 1 - output->len)) > 0)
		output->len += (size_t)len;
	output->data[output->len] = '\0';
}

/* How the next log is written, and whether its stderr is called the journal. */
static struct log_settings settings = {.level = LOG_INFO, .ring_bytes = RING};
static bool journal;

static void
journal_name(void)
{
	struct stat is;
	char name[64];

	if (fstat(STDERR_FILENO, &is) != 0)
		_exit(3);
	(void)snprintf(name, sizeof(name), "%llu:%llu",
	    (unsigned long long)is.st_dev,
	    (unsigned long long)is.st_ino + !journal);
	if (setenv("JOURNAL_STREAM", name, 1) != 0)
		_exit(3);
}

/* In a process of its own: start the log, call `run` and read nothing; then
 * read all until it ends. Returns how it ended. */
static int
log_of(void (*run)(int reading), bool late, struct output *output)
{
	int fds[2], started[2], status = -1;
	char byte;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(started), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct err err;

		(void)dup2(fds[1], STDERR_FILENO);
		(void)close(fds[0]);
		(void)close(fds[1]);
		journal_name();
		if (!log_start(&settings, &err))
			_exit(1);
		run(started[1]);
		log_flush();
		_exit(0);
	}
	(void)close(fds[1]);
	(void)close(started[1]);
	if (late)
		assert_int_equal(waitpid(pid, &status, 0), pid);
	else
		assert_int_equal(read(started[0], &byte, 1), 1);
	output_read(output, fds[0]);
	if (!late)
		assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(fds[0]);
	(void)close(started[0]);
	return status;
}

static void
log_many(int reading)
{
	for (int i = 0; i < LINES; i++)
		log_line(LOG_INFO, "test", "number n=%d", i);
	/* Far more than the ring and the pipe hold. */
	if (counter_read(COUNTER_LOG_DROPPED) == 0)
		_exit(2);
	(void)!write(reading, "", 1);
}

/* What is there, in order; returns how many lines, and how many are told to be
 * missing. */
static int
lines_count(struct output *output, unsigned long long *ret_dropped)
{
	int count = 0, last = -1, number;
	unsigned long long dropped;

	*ret_dropped = 0;
	for (char *line = strtok(output->data, "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		const char *text = strstr(line, " module=test event=number n=");
		const char *told =
		    strstr(line, " module=log event=drop lines=");

		if (told != NULL) {
			assert_int_equal(
			    sscanf(told, " module=log event=drop lines=%llu",
				&dropped),
			    1);
			*ret_dropped += dropped;
			continue;
		}
		assert_non_null(text);
		assert_int_equal(
		    sscanf(text, " module=test event=number n=%d", &number), 1);
		assert_true(number > last);
		last = number;
		count++;
	}
	return count;
}

static void
test_dropped_lines_are_told(void **state)
{
	static struct output output;
	unsigned long long dropped;
	int count, status;

	(void)state;
	status = log_of(log_many, false, &output);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	count = lines_count(&output, &dropped);
	assert_true(count > 0 && dropped > 0);
	assert_int_equal((unsigned long long)count + dropped, LINES);
}

/* Nobody reads until the process has ended: that may not keep it. */
static void
test_an_exit_does_not_wait_for_a_reader(void **state)
{
	static struct output output;
	unsigned long long dropped;
	int status;

	(void)state;
	status = log_of(log_many, true, &output);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	/* as much as the pipe took, maybe cut in the last line */
	*(strrchr(output.data, '\n') + 1) = '\0';
	assert_true(lines_count(&output, &dropped) > 0);
}

static void
log_then_abort(int reading)
{
	for (int i = 0; i < 100; i++)
		log_line(LOG_INFO, "test", "number n=%d", i);
	(void)!write(reading, "", 1);
	abort();
}

static void
test_an_abort_writes_what_waits(void **state)
{
	static struct output output;
	unsigned long long dropped;
	int status;

	(void)state;
	status = log_of(log_then_abort, false, &output);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_int_equal(lines_count(&output, &dropped), 100);
}

/* ---- the forms of a line ---- */

#define PIECE  "0123456789abcdef"
#define LONG   PIECE PIECE PIECE PIECE
#define LONGER LONG LONG LONG LONG LONG LONG LONG LONG LONG LONG
static void
log_forms(int reading)
{
	static const char hostile[] =
	    "a b\" why=\"c\\ \x1b[31m\n\xff\xc2\x85 \xc3\xa9\xe2\x80\xae";

	log_line(LOG_INFO, "test", "bare");
	log_line(LOG_WARN, "test", "kinds n=%d minus=%d name=\"%s\" hex=%s", 7,
	    -7, "007", "0x7");
	log_line(LOG_ERROR, "test", "empty text=\"%s\" none=%s", "", "");
	log_line(
	    LOG_INFO, "test", "hostile text=%s last=1", LOG_QUOTE(hostile));
	/* Nobody escapes these, but they leave a line a line. */
	log_line(LOG_INFO, "test", "wild text=%s last=1", "a=b\"c\td");
	log_line(LOG_DEBUG, "test", "never");
	(void)!write(reading, "", 1);
}

static void
forms_check(const char *const *rows, size_t from)
{
	static struct output output;
	char *line = output.data;

	assert_int_equal(log_of(log_forms, false, &output), 0);
	for (; *rows != NULL; rows++) {
		char *end = strchr(line, '\n');

		assert_non_null(end);
		*end = '\0';
		assert_true(strlen(line) > from);
		assert_string_equal(line + from, *rows);
		line = end + 1;
	}
	assert_string_equal(line, "");
}

static void
test_lines_as_logfmt(void **state)
{
	static const char *const rows[] = {
	    " level=info module=test event=bare",
	    " level=warn module=test event=kinds n=7 minus=-7 name=007 hex=0x7",
	    " level=error module=test event=empty text=\"\" none=\"\"",
	    " level=info module=test event=hostile text=\"a b\\\" "
	    "why=\\\"c\\\\ \\\\x1b[31m\\\\x0a\\\\xff\\\\xc2\\\\x85 \xc3\xa9"
	    "\\\\xe2\\\\x80\\\\xae\" last=1",
	    " level=info module=test event=wild text=\"a=b\\\"c\\\\x09d\" "
	    "last=1",
	    NULL,
	};

	(void)state;
	forms_check(rows, strlen("time=2026-11-23T22:05:01.123Z"));
}

static void
test_lines_as_json(void **state)
{
	static const char *const rows[] = {
	    "\"level\":\"info\",\"module\":\"test\",\"event\":\"bare\"}",
	    "\"level\":\"warn\",\"module\":\"test\",\"event\":\"kinds\","
	    "\"n\":7,\"minus\":-7,\"name\":\"007\",\"hex\":\"0x7\"}",
	    "\"level\":\"error\",\"module\":\"test\",\"event\":\"empty\","
	    "\"text\":\"\",\"none\":\"\"}",
	    "\"level\":\"info\",\"module\":\"test\",\"event\":\"hostile\","
	    "\"text\":\"a b\\\" why=\\\"c\\\\ \\\\x1b[31m\\\\x0a\\\\xff"
	    "\\\\xc2\\\\x85 \xc3\xa9\\\\xe2\\\\x80\\\\xae\",\"last\":1}",
	    "\"level\":\"info\",\"module\":\"test\",\"event\":\"wild\","
	    "\"text\":\"a=b\\\"c\\\\x09d\",\"last\":1}",
	    NULL,
	};

	(void)state;
	settings.form = LOG_JSON;
	forms_check(rows, strlen("{\"time\":\"2026-11-23T22:05:01.123Z\","));
	settings.form = LOG_LOGFMT;
}

static void
test_lines_for_the_journal(void **state)
{
	static const char *const rows[] = {
	    "<6>module=test event=bare",
	    "<4>module=test event=kinds n=7 minus=-7 name=007 hex=0x7",
	    "<3>module=test event=empty text=\"\" none=\"\"",
	    "<6>module=test event=hostile text=\"a b\\\" "
	    "why=\\\"c\\\\ \\\\x1b[31m\\\\x0a\\\\xff\\\\xc2\\\\x85 \xc3\xa9"
	    "\\\\xe2\\\\x80\\\\xae\" last=1",
	    "<6>module=test event=wild text=\"a=b\\\"c\\\\x09d\" last=1",
	    NULL,
	};

	(void)state;
	journal = true;
	forms_check(rows, 0);
	journal = false;
}

/* More than a line takes, before it is escaped or then. */
static void
log_long(int reading)
{
	char controls[sizeof(LONGER)];

	memset(controls, '\x1b', sizeof(controls) - 1);
	controls[sizeof(controls) - 1] = '\0';
	log_line(LOG_INFO, "test", "text a=%s b=%s c=%s d=%s e=\"%s", LONGER,
	    LONGER, LONGER, LONGER, LONGER);
	log_line(LOG_INFO, "test", "number a=%s b=%s c=%s n=%d", LONGER, LONGER,
	    LONGER, 1234567);
	for (int i = 0; i < 8; i++)
		log_line(LOG_INFO, "test", "tail %.*sn=%d",
		    2048 - (int)strlen("tail n=1234") - i,
		    "a=" LONGER LONGER LONGER LONGER, 1234567);
	log_line(LOG_INFO, "test", "escaped a=\"%s\" b=\"%s\" n=%d", controls,
	    controls, 7);
	(void)!write(reading, "", 1);
}

static void
test_long_lines_end_well(void **state)
{
	static struct output output;
	int lines = 0;

	(void)state;
	for (int form = LOG_LOGFMT; form <= LOG_JSON; form++) {
		settings.form = (enum log_form)form;
		assert_int_equal(log_of(log_long, false, &output), 0);
		for (char *line = strtok(output.data, "\n"); line != NULL;
		     line = strtok(NULL, "\n")) {
			const char *number = strstr(line, "n=");
			size_t len = strlen(line);

			if (form == LOG_JSON) {
				number = strstr(line, "\"n\":");
				assert_true(line[len - 1] == '}');
			}
			assert_true(len < 4096);
			/* a number is whole, or not there */
			assert_true(number == NULL ||
				    strstr(number, "1234567") != NULL ||
				    strstr(line, "escaped") != NULL);
			lines++;
		}
	}
	settings.form = LOG_LOGFMT;
	assert_int_equal(lines, 2 * 11);
}

/* ---- repeats ---- */

enum { KINDS = 3, REPEATS = 100 };

static int64_t repeats_until_ms;

static void
log_repeats(int reading)
{
	for (int i = 0; i < REPEATS; i++) {
		for (int kind = 0; kind < KINDS; kind++)
			log_line(
			    LOG_WARN, "test", "repeat kind=%d n=%d", kind, i);
		log_line(LOG_INFO, "test", "told n=%d", i);
	}
	/* until the one of a second later */
	while (clock_mono_ms() < repeats_until_ms)
		(void)poll(NULL, 0, 10);
	log_line(LOG_WARN, "test", "repeat kind=0 n=%d", REPEATS);
	(void)!write(reading, "", 1);
}

static size_t
count_of(const char *text, const char *what)
{
	size_t count = 0;

	for (; (text = strstr(text, what)) != NULL; text++)
		count++;
	return count;
}

static void
test_repeats_are_limited_by_kind(void **state)
{
	static struct output output;

	(void)state;
	settings.burst = 5;
	repeats_until_ms = clock_mono_ms() + 1500;
	assert_int_equal(log_of(log_repeats, false, &output), 0);
	settings.burst = 0;
	assert_int_equal(count_of(output.data, "event=told "), REPEATS);
	assert_int_equal(count_of(output.data, "kind=1 "), 5);
	assert_int_equal(count_of(output.data, "kind=2 "), 5);
	assert_int_equal(count_of(output.data, "kind=0 "), 6);
	assert_non_null(strstr(output.data, "kind=0 n=100 suppressed=95\n"));
	assert_int_equal(count_of(output.data, "suppressed="), 1);
	/* without a limit */
	repeats_until_ms = 0;
	assert_int_equal(log_of(log_repeats, false, &output), 0);
	assert_int_equal(count_of(output.data, "kind=0 "), REPEATS + 1);
	assert_int_equal(count_of(output.data, "suppressed="), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines_as_logfmt),
	    cmocka_unit_test(test_lines_as_json),
	    cmocka_unit_test(test_lines_for_the_journal),
	    cmocka_unit_test(test_long_lines_end_well),
	    cmocka_unit_test(test_repeats_are_limited_by_kind),
	    cmocka_unit_test(test_dropped_lines_are_told),
	    cmocka_unit_test(test_an_exit_does_not_wait_for_a_reader),
	    cmocka_unit_test(test_an_abort_writes_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
