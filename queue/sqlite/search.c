#include "queue/sqlite/store.h"

/* Is this key one behind that of the search? */
static bool
search_behind(const struct store_search *search, const int64_t *key)
{
	int i = 0;

	while (i < search->columns && key[i] == search->key[i])
		i++;
	return i >= search->fixed && i < search->columns &&
	       key[i] > search->key[i];
}

/* One search, which leaves the key alone; ERR_DAMAGED if the page is. */
static bool
search_once(struct store *store, const struct store_search *search,
    int64_t *ret_key, bool *ret_there, struct err *reterr)
{
	static const char types[] = "iiii";
	const char *columns = types + STORE_KEY_COLUMNS - search->columns;
	const int64_t *at = search->key;
	struct db_rows rows = db_select(&store->db, reterr, search->sql,
	    columns, at[0], at[1], at[2], at[3]);

	*ret_there = db_next(&rows, reterr, columns, &ret_key[0], &ret_key[1],
	    &ret_key[2], &ret_key[3]);
	if (!db_end(&rows))
		return false;
	return !*ret_there || search_behind(search, ret_key) ||
	       err_set(reterr, ERR_DAMAGED,
		   "queue.db: a key is not behind the one before it");
}

/* Look behind this value of a column, and all that is behind it. */
static void
search_set(struct store_search *search, int column, int64_t value)
{
	search->key[column] = value;
	for (int i = column + 1; i < search->columns; i++)
		search->key[i] = INT64_MIN;
}

/* Between *low, a value of a column where it fails, and one where it does not,
 * whose key is *ret_key: find the first one that can be found. *low becomes the
 * last one where it fails. */
static bool
search_halve(struct store *store, struct store_search *search, int column,
    int64_t *low, int64_t high, int64_t *ret_key, bool *ret_there,
    struct err *reterr)
{
	int64_t key[STORE_KEY_COLUMNS];
	bool there;

	while ((uint64_t)high - (uint64_t)*low > 1) {
		int64_t middle =
		    *low + (int64_t)(((uint64_t)high - (uint64_t)*low) / 2);

		search_set(search, column, middle);
		if (search_once(store, search, key, &there, reterr)) {
			high = middle;
			memcpy(ret_key, key, sizeof(key));
			*ret_there = there;
		} else if (reterr->code == ERR_DAMAGED) {
			*low = middle;
		} else {
			return false;
		}
	}
	return true;
}

/* Likewise, and then in the columns behind it, since most of what has the last
 * value where it fails may be sound. The search began at `tried`: behind that
 * nothing can be found in those columns. */
static bool
search_narrow(struct store *store, struct store_search *search, int column,
    int64_t tried, int64_t low, int64_t high, int64_t *ret_key, bool *ret_there,
    struct err *reterr)
{
	if (!search_halve(
		store, search, column, &low, high, ret_key, ret_there, reterr))
		return false;
	while (low != tried && column + 1 < search->columns) {
		int64_t key[STORE_KEY_COLUMNS];
		bool there;

		search_set(search, column++, low);
		search_set(search, column, INT64_MAX);
		if (!search_once(store, search, key, &there, reterr))
			return reterr->code == ERR_DAMAGED;
		memcpy(ret_key, key, sizeof(key));
		*ret_there = there;
		tried = INT64_MAX;
		low = INT64_MIN;
		if (!search_halve(store, search, column, &low, INT64_MAX,
			ret_key, ret_there, reterr))
			return false;
	}
	return true;
}

/* Pass over what cannot be searched. */
static bool
search_skip(struct store *store, struct store_search *search, int64_t *ret_key,
    bool *ret_there, struct err *reterr)
{
	search->damaged++;
	for (int column = search->columns - 1; column >= search->fixed;
	     column--) {
		int64_t tried = search->key[column], low = tried;

		for (int64_t step = 1; low <= INT64_MAX - step; step *= 2) {
			search_set(search, column, low + step);
			if (search_once(
				store, search, ret_key, ret_there, reterr))
				return search_narrow(store, search, column,
				    tried, low, low + step, ret_key, ret_there,
				    reterr);
			if (reterr->code != ERR_DAMAGED)
				return false;
			low += step;
			if (step > INT64_MAX / 2)
				break;
		}
	}
	*ret_there = false;
	return true;
}

bool
store_search_next(struct store *store, struct store_search *search,
    bool *ret_there, struct err *reterr)
{
	int64_t key[STORE_KEY_COLUMNS] = {0};
	struct err err;

	if (!search_once(store, search, key, ret_there, &err) &&
	    (err.code != ERR_DAMAGED ||
		!search_skip(store, search, key, ret_there, &err)))
		return err_set(reterr, err.code, "%s", err.text);
	if (*ret_there)
		memcpy(search->key, key, sizeof(key));
	return true;
}
