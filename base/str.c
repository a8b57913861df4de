#include "base/str.h"

int
str_compare(struct str a, struct str b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len == 0 ? 0 : memcmp(a.data, b.data, len);

	if (order != 0)
		return order;
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

uint64_t
str_hash(uint64_t seed, struct str bytes)
{
	uint64_t hash = 0xcbf29ce484222325U ^ seed;

	for (size_t i = 0; i < bytes.len; i++)
		hash = (hash ^ (unsigned char)bytes.data[i]) * 0x100000001b3U;
	hash ^= hash >> 32;
	hash *= 0x9e3779b97f4a7c15U;
	return hash ^ hash >> 32;
}

bool
str_has_word(const char *words, const char *word)
{
	size_t len = strlen(word), step;

	for (; *words != '\0'; words += step + (words[step] == ' ')) {
		step = strcspn(words, " ");
		if (step == len && memcmp(words, word, len) == 0)
			return true;
	}
	return false;
}

size_t
str_distance(const char *a, const char *b)
{
	size_t row[STR_DISTANCE_MAX + 1], alen = strlen(a), blen = strlen(b);

	if (alen > STR_DISTANCE_MAX || blen > STR_DISTANCE_MAX)
		return STR_DISTANCE_MAX;
	for (size_t j = 0; j <= blen; j++)
		row[j] = j;
	for (size_t i = 1; i <= alen; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= blen; j++) {
			size_t best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[blen];
}
