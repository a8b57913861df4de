#ifndef QUEUE_SQLITE_TABLES_H
#define QUEUE_SQLITE_TABLES_H

/*
 * The tables of the queue file. Included by db.c alone.
 *
 * batch	immutable: the events of one put that are queued, compressed
 *		(rescue.c knows its columns)
 * delivery	the small part of it that settling changes. Its key grows with
 *		acceptance, so accepting never writes to random places,
 *		however much is queued
 * quarantine	deliveries whose batch cannot be read; still queued, and tried
 *		again at each open, because a disk may recover
 * dead		dead letters: events that were refused for good, with the
 *		reason; some of a destination in a row, compressed
 * archive	batches that were delivered and can be replayed, in the order
 *		of delivery
 * erasure	people whose erasure the source requested
 * drift	what was observed in incoming batches, counted
 * unreadable	whole requests that could not be read
 * seen		hashes of accepted events, a row per transaction, FIFO
 * marks	of some thousand batches in a row, to find events by
 * ledger	the counters by hour of acceptance, source and type
 * dropped	what rules dropped, by rule
 * report	what became of events, by their own day, label and type; of a
 *		month: ~ its first day
 * tally	bytes of the core: what is not added to report yet, a row per
 *		transaction
 * destination	with what is queued for it; delivered_ms is when it last took
 *		something. Its id is what other tables call it by
 * state	values of a destination or of the queue; person_key is that of
 *		the hash. One may be large, and is not read to find another
 * grp		groups of sets (GROUP is a word of SQL)
 * sync		what came of them, by number
 * person	the texts of members, each once, by a hash; counted by refs, and
 *		left empty to mark a way (members.c)
 * member	what a destination was last sent of them: said is stamp*4+sent
 * name		sources, types and rules that drop, by number
 * rules	of identity, by number
 * meta		numbers of rows that take long to count
 */

static const char tables_sql[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
    "CREATE TABLE batch(seq INTEGER PRIMARY KEY, accepted_ms INTEGER NOT NULL,"
    " events INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE delivery(destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, due_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " version INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " refusals INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL, replay INTEGER NOT NULL, parked TEXT,"
    " unpacked INTEGER NOT NULL, rules INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, remaining INTEGER NOT NULL, done BLOB,"
    " delivered BLOB, stamp INTEGER NOT NULL,"
    " PRIMARY KEY(destination, source, due_ms, seq)) WITHOUT ROWID;"
    "CREATE INDEX delivery_replay ON delivery(destination, source, due_ms,"
    " seq) WHERE replay=1;"
    "CREATE INDEX delivery_parked ON delivery(destination, parked, seq)"
    " WHERE parked IS NOT NULL;"
    "CREATE INDEX delivery_seq ON delivery(seq);"
    "CREATE INDEX delivery_page ON delivery(seq) WHERE stamp>0;"
    "CREATE TABLE archive(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " seq INTEGER NOT NULL, destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, delivered_ms INTEGER NOT NULL,"
    " age_ms INTEGER NOT NULL, bytes INTEGER NOT NULL,"
    " rules INTEGER NOT NULL, delivered BLOB NOT NULL);"
    "CREATE INDEX archive_seq ON archive(seq);"
    "CREATE TABLE erasure(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source INTEGER NOT NULL, subject TEXT NOT NULL,"
    " noted_ms INTEGER NOT NULL, erased_ms INTEGER NOT NULL,"
    " UNIQUE(source, subject));"
    "CREATE TABLE drift(text TEXT PRIMARY KEY, events INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL,"
    " age_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE quarantine(destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, due_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " version INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " refusals INTEGER NOT NULL, failures INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL, replay INTEGER NOT NULL, parked TEXT,"
    " unpacked INTEGER NOT NULL, rules INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, remaining INTEGER NOT NULL, done BLOB,"
    " delivered BLOB, stamp INTEGER NOT NULL,"
    " noted_ms INTEGER NOT NULL, why TEXT NOT NULL);"
    "CREATE TABLE dead(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " destination INTEGER NOT NULL, age_ms INTEGER NOT NULL,"
    " letters INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE INDEX dead_destination ON dead(destination, id, length(data));"
    "CREATE TABLE unreadable(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source INTEGER NOT NULL, received_ms INTEGER NOT NULL,"
    " age_ms INTEGER NOT NULL, reason TEXT NOT NULL,"
    " encoding TEXT NOT NULL,"
    " hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL);"
    "CREATE INDEX unreadable_source"
    " ON unreadable(source, id, length(data));"
    "CREATE TABLE seen(n INTEGER PRIMARY KEY, hashes BLOB NOT NULL);"
    "CREATE TABLE marks(kind INTEGER NOT NULL, last INTEGER NOT NULL,"
    " first INTEGER NOT NULL, data BLOB NOT NULL,"
    " PRIMARY KEY(kind, last)) WITHOUT ROWID;"
    "CREATE TABLE ledger(hour INTEGER NOT NULL, source INTEGER NOT NULL,"
    " type INTEGER NOT NULL, received INTEGER NOT NULL,"
    " queued INTEGER NOT NULL, delivered INTEGER NOT NULL,"
    " dead INTEGER NOT NULL, dropped INTEGER NOT NULL,"
    " duplicates INTEGER NOT NULL, erased INTEGER NOT NULL,"
    " expired INTEGER NOT NULL, replayed INTEGER NOT NULL,"
    " replay_delivered INTEGER NOT NULL, replay_refused INTEGER NOT NULL,"
    " age_ms INTEGER NOT NULL,"
    " PRIMARY KEY(hour, source, type)) WITHOUT ROWID;"
    "CREATE INDEX ledger_type ON ledger(type);"
    "CREATE TABLE dropped(hour INTEGER NOT NULL, source INTEGER NOT NULL,"
    " type INTEGER NOT NULL, rule INTEGER NOT NULL, events INTEGER NOT NULL,"
    " PRIMARY KEY(hour, source, type, rule)) WITHOUT ROWID;"
    "CREATE INDEX dropped_type ON dropped(type);"
    "CREATE TABLE destination(id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE, queued INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, delivered_ms INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, clean INTEGER NOT NULL);"
    "CREATE TABLE state(owner TEXT NOT NULL, name TEXT NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY(owner, name));"
    "CREATE TABLE rules(id INTEGER PRIMARY KEY, data BLOB NOT NULL UNIQUE);";

static const char tables_reports_sql[] =
    "CREATE TABLE report(day INTEGER NOT NULL, kind TEXT NOT NULL,"
    " id TEXT NOT NULL, type INTEGER NOT NULL, name TEXT NOT NULL,"
    " delivered INTEGER NOT NULL, dropped INTEGER NOT NULL,"
    " dead INTEGER NOT NULL, PRIMARY KEY(day, kind, id, type)) WITHOUT ROWID;"
    "CREATE TABLE tally(n INTEGER PRIMARY KEY, data BLOB NOT NULL);";

static const char tables_sets_sql[] =
    "CREATE TABLE grp(id INTEGER PRIMARY KEY, destination INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE TABLE sync(grp INTEGER NOT NULL, number INTEGER NOT NULL,"
    " data BLOB NOT NULL, PRIMARY KEY(grp, number)) WITHOUT ROWID;"
    "CREATE TABLE person(id INTEGER PRIMARY KEY, text BLOB,"
    " refs INTEGER NOT NULL);"
    "CREATE TABLE member(grp INTEGER NOT NULL, person INTEGER NOT NULL,"
    " said INTEGER NOT NULL, sent_s INTEGER NOT NULL,"
    " PRIMARY KEY(grp, person)) WITHOUT ROWID;"
    "INSERT INTO state VALUES('', 'person_key', randomblob(16));";

#endif
