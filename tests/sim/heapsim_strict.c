#include "tests/sim/heapsim_strict.h"

#include <string.h>
#include <strings.h>

bool
heapsim_is_placeholder(const char *identity)
{
	static const char blanks[] = " \t\r\n";
	static const char *const words[] = {"null", "undefined", "none", "nil",
	    "0", "user", "guest", "anonymous", "unknown", "[REDACTED]",
	    "00000000-0000-0000-0000-000000000000",
	    /* SHA-256 of nothing */
	    ("e3b0c44298fc1c149afbf4c8996fb924"
	     "27ae41e4649b934ca495991b7852b855")};
	size_t len, i;

	identity += strspn(identity, blanks);
	len = strlen(identity);
	while (len > 0 && strchr(blanks, identity[len - 1]) != NULL)
		len--;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strlen(words[i]) == len &&
		    strncasecmp(identity, words[i], len) == 0)
			return true;
	return len == 0;
}

/* The length of the white character at the front, or 0. */
static size_t
white(const char *text)
{
	static const char *const characters[] = {"\t", "\n", "\v", "\f", "\r",
	    " ", "\xc2\x85", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
	    "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008",
	    "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f",
	    "\u3000"};
	size_t i;

	for (i = 0; i < sizeof(characters) / sizeof(characters[0]); i++)
		if (strncmp(text, characters[i], strlen(characters[i])) == 0)
			return strlen(characters[i]);
	return 0;
}

bool
heapsim_is_blank(const struct sim_json *string)
{
	struct sim_text text = {0};
	size_t at = 0;
	size_t step;
	bool blank;

	/* Most begin with what is no escape and not white. */
	if (string->at[1] > ' ' && string->at[1] != '"' &&
	    string->at[1] != '\\')
		return false;
	sim_json_decode(string, &text);
	while (at < text.len && (step = white(text.at + at)) > 0)
		at += step;
	blank = at == text.len;
	sim_text_fini(&text);
	return blank;
}
