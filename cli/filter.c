#include "cli/filter.h"

#include <string.h>

void
filter_ask(const struct options *options, struct ask *ask)
{
	static const char *const names[] = {"--type", "--user", "--source",
	    "--reason", "--since", "--limit", "--place", "--after"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		ask_param(ask, names[i] + strlen("--"),
		    options_value(options, names[i]));
}

bool
filter_given(const struct options *options)
{
	static const char *const names[] = {
	    "--type", "--user", "--source", "--reason", "--since"};
	bool given = false;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		given |= options_has(options, names[i]);
	return given;
}
