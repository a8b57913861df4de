#ifndef QUEUE_TABLES_H
#define QUEUE_TABLES_H

/*
 * The tables of the queue file. Included by db.c alone.
 *
 * batch	immutable: the events of one put that are queued, compressed
 * delivery	the small part of it that settling changes; due_ms 0 = fresh.
 *		Its key grows with acceptance, so accepting never writes to
 *		random places, however much is queued
 * quarantine	deliveries whose batch cannot be read; still queued, and tried
 *		again at each open, because a disk may recover
 * dead		dead letters: single events that were refused for good, with
 *		the reason
 * archive	batches that were delivered and can be replayed, in the order
 *		of delivery
 * erasure	people whose erasure the source requested
 * drift	what was observed in incoming batches, counted
 * unreadable	whole requests that could not be read
 * seen		hashes of accepted events, a row per transaction, FIFO
 * ledger	the counters by hour of acceptance, source and type
 * dropped	what rules dropped, by rule
 * destination	what the forwarder must know after a crash; delivered_ms is
 *		when it last accepted something
 * doubt	what each destination may already have, in the forwarder's own
 *		format; not in the table destination, whose row every put and
 *		settle rewrites
 * name		sources, destinations, types and rules, by number
 */

static const char tables_sql[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "CREATE TABLE name(id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
    "CREATE TABLE batch(seq INTEGER PRIMARY KEY, accepted_ms INTEGER NOT NULL,"
    " events INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE delivery(destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, due_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, remaining INTEGER NOT NULL, done BLOB,"
    " delivered BLOB, replay INTEGER NOT NULL,"
    " PRIMARY KEY(destination, source, due_ms, seq)) WITHOUT ROWID;"
    "CREATE TABLE archive(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " seq INTEGER NOT NULL, destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, delivered_ms INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL, delivered BLOB NOT NULL);"
    "CREATE TABLE erasure(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source INTEGER NOT NULL, subject TEXT NOT NULL,"
    " noted_ms INTEGER NOT NULL, erased_ms INTEGER NOT NULL,"
    " UNIQUE(source, subject));"
    "CREATE TABLE drift(text TEXT PRIMARY KEY, events INTEGER NOT NULL,"
    " first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE quarantine(destination INTEGER NOT NULL,"
    " source INTEGER NOT NULL, due_ms INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " attempts INTEGER NOT NULL, remaining INTEGER NOT NULL, done BLOB,"
    " delivered BLOB, replay INTEGER NOT NULL, noted_ms INTEGER NOT NULL,"
    " why TEXT NOT NULL);"
    "CREATE TABLE dead(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source INTEGER NOT NULL, destination INTEGER NOT NULL,"
    " type INTEGER NOT NULL, accepted_ms INTEGER NOT NULL,"
    " dead_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " reason TEXT NOT NULL, status INTEGER NOT NULL, answer BLOB, sent BLOB,"
    " data BLOB NOT NULL);"
    "CREATE TABLE unreadable(id INTEGER PRIMARY KEY AUTOINCREMENT,"
    " source INTEGER NOT NULL, received_ms INTEGER NOT NULL,"
    " reason TEXT NOT NULL, encoding TEXT NOT NULL,"
    " hash BLOB NOT NULL UNIQUE, data BLOB NOT NULL);"
    "CREATE TABLE seen(n INTEGER PRIMARY KEY, hashes BLOB NOT NULL);"
    "CREATE TABLE ledger(hour INTEGER NOT NULL, source INTEGER NOT NULL,"
    " type INTEGER NOT NULL, received INTEGER NOT NULL,"
    " queued INTEGER NOT NULL, delivered INTEGER NOT NULL,"
    " dead INTEGER NOT NULL, dropped INTEGER NOT NULL,"
    " duplicates INTEGER NOT NULL, erased INTEGER NOT NULL,"
    " expired INTEGER NOT NULL, replayed INTEGER NOT NULL,"
    " replay_delivered INTEGER NOT NULL, replay_refused INTEGER NOT NULL,"
    " PRIMARY KEY(hour, source, type)) WITHOUT ROWID;"
    "CREATE TABLE dropped(hour INTEGER NOT NULL, source INTEGER NOT NULL,"
    " type INTEGER NOT NULL, rule INTEGER NOT NULL, events INTEGER NOT NULL,"
    " PRIMARY KEY(hour, source, type, rule)) WITHOUT ROWID;"
    "CREATE TABLE destination(id INTEGER PRIMARY KEY, queued INTEGER NOT NULL,"
    " last_post_ms INTEGER NOT NULL, clean_ms INTEGER NOT NULL,"
    " paused INTEGER NOT NULL, sends BLOB, delivered_ms INTEGER NOT NULL);"
    "CREATE TABLE doubt(destination INTEGER PRIMARY KEY, data BLOB NOT NULL);";

#endif
