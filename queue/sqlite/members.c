/*
 * Members of groups. A person may be in many groups, so the text stands in the
 * table person once, and the rows of members name it by number: a keyed hash of
 * the text, which so needs no index. If that number is taken by another text,
 * the next free one is used; whoever looks for a text goes on from number to
 * number until it is found, or one is free. So the row of a text that goes is
 * left behind, empty, if the next number is taken.
 */

#include "queue/sqlite/store.h"

enum {
	/* A number that long is stored in six bytes. */
	MEMBERS_NUMBER_BITS = 47,
	/* So many in a row are never taken in a sound file. */
	MEMBERS_PROBES = 64,
};

#define MEMBERS_NUMBERS ((INT64_C(1) << MEMBERS_NUMBER_BITS) - 1)

/* What is known of a person, and as a member of a group. */
struct member_found {
	int64_t id;   /* of the person; or where it is to be added */
	int64_t refs; /* rows of members with it; 0 = it is not there */
	bool member;  /* there is a row; then: */
	int64_t said; /* -1 = it cannot be read */
	int64_t sent_s;
};

/* Numbers are 1, 2, ..., and the first one comes after the last one. */
static int64_t
person_number(const struct store *store, struct str text)
{
	uint64_t word = digest_word(store->person_key, text.data, text.len);

	return (int64_t)(word % (uint64_t)MEMBERS_NUMBERS) + 1;
}

static int64_t
person_next(int64_t id)
{
	return id % MEMBERS_NUMBERS + 1;
}

static int64_t
person_before(int64_t id)
{
	return id == 1 ? MEMBERS_NUMBERS : id - 1;
}

static bool
member_find(struct store *store, int64_t group, struct str person,
    struct member_found *ret_found, struct err *reterr)
{
	int64_t id = person_number(store, person), free_id = 0;

	for (int i = 0; i < MEMBERS_PROBES; i++, id = person_next(id)) {
		struct member_found found = {.id = id};
		int taken = 0, empty = 0, equal = 0, member = 0;

		if (!db_run(&store->db, reterr,
			"SELECT 1, p.text IS NULL, p.text=?2, max(p.refs, 1),"
			" m.grp IS NOT NULL, " MEMBER_SAID ", m.sent_s"
			" FROM person p LEFT JOIN member m"
			" ON m.grp=?3 AND m.person=?1 WHERE p.id=?1",
			"ibi>dddidii", id, person, group, &taken, &empty,
			&equal, &found.refs, &member, &found.said,
			&found.sent_s))
			return false;
		if (equal) {
			found.member = member != 0;
			if (!found.member)
				found.said = 0;
			*ret_found = found;
			return true;
		}
		if (free_id == 0 && (!taken || empty))
			free_id = id;
		if (!taken) {
			*ret_found = (struct member_found){.id = free_id};
			return true;
		}
	}
	return err_set(reterr, ERR_DAMAGED,
	    "queue.db: too many numbers of people in a row are taken");
}

/* ---- changes ---- */

/* One more row of a member names this person. */
static bool
person_hold(struct store *store, const struct member_found *found,
    struct str text, struct err *reterr)
{
	if (found->refs > 0)
		return db_run(&store->db, reterr,
		    "UPDATE person SET refs=refs+1 WHERE id=?1", "i",
		    found->id);
	return db_run(&store->db, reterr,
	    "INSERT OR REPLACE INTO person VALUES(?1, ?2, 1)", "ib", found->id,
	    text);
}

/* Take a text away; and empty rows before it, if nothing is behind them any
 * more. */
static bool
person_forget(struct store *store, int64_t id, struct err *reterr)
{
	int taken = 0;

	if (!db_run(&store->db, reterr, "SELECT 1 FROM person WHERE id=?1",
		"i>d", person_next(id), &taken))
		return false;
	if (taken)
		return db_run(&store->db, reterr,
		    "UPDATE person SET text=NULL, refs=0 WHERE id=?1", "i", id);
	if (!db_run(
		&store->db, reterr, "DELETE FROM person WHERE id=?1", "i", id))
		return false;
	do {
		id = person_before(id);
		if (!db_run(&store->db, reterr,
			"DELETE FROM person WHERE id=?1 AND text IS NULL", "i",
			id))
			return false;
	} while (db_changed(&store->db) > 0);
	return true;
}

/* One row less. */
static bool
person_drop(
    struct store *store, const struct member_found *found, struct err *reterr)
{
	return found->refs > 1
		   ? db_run(&store->db, reterr,
			 "UPDATE person SET refs=refs-1 WHERE id=?1", "i",
			 found->id)
		   : person_forget(store, found->id, reterr);
}

static bool
member_put(
    struct store *store, const struct engine_member *member, struct err *reterr)
{
	int64_t said = member->stamp * 8 + (int64_t)member->sent;
	struct member_found found;

	CHECK(member->stamp >= 0 && member->stamp <= ENGINE_STAMP_MAX);
	if (!member_find(store, member->group, member->person, &found, reterr))
		return false;
	if (found.member)
		return db_run(&store->db, reterr,
		    "UPDATE member SET said=?3, sent_s=?4"
		    " WHERE grp=?1 AND person=?2",
		    "iiii", member->group, found.id, said, member->sent_s);
	return person_hold(store, &found, member->person, reterr) &&
	       db_run(&store->db, reterr,
		   "INSERT OR REPLACE INTO member VALUES(?1, ?2, ?3, ?4)",
		   "iiii", member->group, found.id, said, member->sent_s);
}

/* What cannot be written for damage cannot be read either, and is unknown: no
 * reason to settle nothing. */
bool
store_member_put(
    struct store *store, const struct engine_member *member, struct err *reterr)
{
	struct err err;

	return member_put(store, member, &err) || err.code == ERR_DAMAGED ||
	       err_set(reterr, err.code, "%s", err.text);
}

bool
store_member_delete(
    struct store *store, const struct engine_member *member, struct err *reterr)
{
	struct member_found found;

	if (!member_find(store, member->group, member->person, &found, reterr))
		return false;
	return !found.member ||
	       (db_run(&store->db, reterr,
		    "DELETE FROM member WHERE grp=?1 AND person=?2", "ii",
		    member->group, found.id) &&
		   person_drop(store, &found, reterr));
}

/* ---- reading ---- */

void
store_member_read(int64_t said, int64_t sent_s, struct engine_member *member)
{
	bool sound = said >= 0 && said % 8 <= (int64_t)ENGINE_SENT_UNKNOWN_OUT;

	member->stamp = sound ? said / 8 : 0;
	member->sent =
	    sound ? (enum engine_sent)(said % 8) : ENGINE_SENT_UNKNOWN_OUT;
	member->sent_s = sound ? store_sum(sent_s) : 0;
}

bool
store_members(struct store *store, struct engine_member *list, size_t count,
    struct err *reterr)
{
	for (size_t i = 0; i < count; i++) {
		struct member_found found = {.member = false};
		struct err err = {.code = ERR_NONE};

		if (!member_find(
			store, list[i].group, list[i].person, &found, &err) &&
		    err.code != ERR_DAMAGED)
			return err_set(reterr, err.code, "%s", err.text);
		if (err.code != ERR_NONE)
			found.said = -1;
		store_member_read(found.said, found.sent_s, &list[i]);
	}
	return true;
}
