/*
 * A log that nobody reads: no thread waits for it, and what is dropped is
 * counted. stderr is a pipe here, and its reader this test.
 */

#include "base/counters.h"
#include "base/log.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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

	while ((len = read(fd, output->data + output->len,
		    OUTPUT - 1 - output->len)) > 0)
		output->len += (size_t)len;
	output->data[output->len] = '\0';
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
		if (!log_start(RING, &err))
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
		const char *text = strstr(line, " test: number n=");
		const char *told = strstr(line, " log: drop lines=");

		if (told != NULL) {
			assert_int_equal(
			    sscanf(told, " log: drop lines=%llu", &dropped), 1);
			*ret_dropped += dropped;
			continue;
		}
		assert_non_null(text);
		assert_int_equal(
		    sscanf(text, " test: number n=%d", &number), 1);
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dropped_lines_are_told),
	    cmocka_unit_test(test_an_exit_does_not_wait_for_a_reader),
	    cmocka_unit_test(test_an_abort_writes_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
