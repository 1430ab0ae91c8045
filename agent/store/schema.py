"""The tables and views of a run's store, and the way from an older layout to this one.

Rows that a reader meets as `problems`, `intervals` … lie in `…_rows` tables with integers for the source and for
what repeats; views of the plain names put the words back. docs/store.md describes them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from rli_agent.store.errors import StoreError

#: "rlia" in ASCII: marks the file as ours (PRAGMA application_id).
APPLICATION = 0x726C6961

_PATH = "'$[' || n.key || ']'"
_VALUE = f"json_extract(l.values_json, {_PATH})"
# json_extract with two paths returns a JSON array that keeps each number's text; its half is the text of one. The
# operator `->` does the same only from SQLite 3.38 on, and Ubuntu 22.04 has 3.37.
_TWICE = f"json_extract(l.values_json, {_PATH}, {_PATH})"

_SAMPLES = f"""CREATE VIEW samples AS
    SELECT s.file, l.line, l.step, l.time, l.time_is, n.value AS name,
        json_extract(h.metrics, {_PATH}) AS metric, json_extract(h.units, {_PATH}) AS unit,
        CASE typeof({_VALUE}) WHEN 'text'
            THEN CASE {_VALUE} WHEN 'Infinity' THEN 9e999 WHEN '-Infinity' THEN -9e999 END
            ELSE {_VALUE} END AS value,
        trim(substr({_TWICE}, 2, (length({_TWICE}) - 3) / 2), '"') AS printed, h.labels
    FROM lines l JOIN sources s ON s.id = l.source JOIN shapes h ON h.id = l.shape JOIN json_each(h.names) n;
"""
_VIEWS = f"""CREATE VIEW series AS
    SELECT n.value AS name, json_extract(h.metrics, {_PATH}) AS metric, h.labels, sum(g.count) AS count,
        min(g.first_step) AS first_step, max(g.last_step) AS last_step,
        min(g.first_time) AS first_time, max(g.last_time) AS last_time
    FROM (SELECT shape, count(*) AS count, min(step) AS first_step, max(step) AS last_step,
              min(time) AS first_time, max(time) AS last_time FROM lines GROUP BY shape) g
    JOIN shapes h ON h.id = g.shape JOIN json_each(h.names) n
    GROUP BY 1, 2, 3;
CREATE VIEW laid_out AS
    SELECT p.source, p.line, p.offset, p.step, p.lane, p.state, p.key, p.time_is, p.seconds AS duration,
        CASE p.part
            WHEN 'step' THEN p.time - p.lasted
            WHEN 'inside' THEN p.time - p.lasted + sum(p.inside) OVER parts - p.seconds
            WHEN 'ending' THEN p.time - sum(p.after) OVER line - sum(p.ending) OVER line
                + sum(p.ending) OVER parts - p.seconds
            WHEN 'after' THEN p.time - sum(p.after) OVER line + sum(p.after) OVER parts - p.seconds
            ELSE p.time - sum(p.after) OVER line - p.seconds END AS start
    FROM (SELECT d.*, CASE d.part WHEN 'inside' THEN d.seconds ELSE 0.0 END AS inside,
              CASE d.part WHEN 'after' THEN d.seconds ELSE 0.0 END AS after,
              CASE d.part WHEN 'ending' THEN d.seconds ELSE 0.0 END AS ending
          FROM (SELECT l.id, l.source, l.line, l.offset, l.step, l.time, l.time_is, l.lasted,
                    json_extract(h.plan, '$.lane') AS lane, n.key AS ordinal,
                    json_extract(n.value, '$[1]') AS state, json_extract(n.value, '$[2]') AS key,
                    json_extract(n.value, '$[3]') AS part,
                    CASE WHEN typeof(json_extract(l.values_json, '$[' || json_extract(n.value, '$[0]') || ']')) <>
                    'text'
                          AND json_extract(l.values_json, '$[' || json_extract(n.value, '$[0]') || ']') > 0
                          AND json_extract(l.values_json, '$[' || json_extract(n.value, '$[0]') || ']') < 1e9
                        THEN json_extract(l.values_json, '$[' || json_extract(n.value, '$[0]') || ']')
                        ELSE 0.0 END AS seconds
                FROM lines l JOIN shapes h ON h.id = l.shape JOIN json_each(h.plan, '$.phases') n
                WHERE h.plan IS NOT NULL AND l.time IS NOT NULL) d) p
    WINDOW line AS (PARTITION BY p.id),
        parts AS (PARTITION BY p.id ORDER BY p.ordinal ROWS UNBOUNDED PRECEDING);
CREATE VIEW intervals AS
    SELECT s.file, o.line, o.offset, o.lane, o.state, o.step, o.start, o.start + o.duration AS "end", o.duration,
        o.time_is, o.key, '{{}}' AS labels
    FROM laid_out o JOIN sources s ON s.id = o.source WHERE o.duration > 0
    UNION ALL
    SELECT s.file, i.line, i.offset, t.lane, t.state, i.step, i.start, i."end", i.duration, i.time_is,
        nullif(t.key, '') AS key, t.labels
    FROM (SELECT source, line, offset, state, step, start, "end", duration, time_is FROM interval_rows
          UNION ALL
          SELECT source, line, offset, state, step, CASE WHEN time_is <> 'estimated' OR start > 0 THEN start END,
              NULL, NULL, time_is FROM interval_open) i
    JOIN sources s ON s.id = i.source JOIN states t ON t.id = i.state;
"""
_FIRST = f"""
CREATE TABLE runs (run TEXT PRIMARY KEY, root TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE attempts (
    run TEXT NOT NULL REFERENCES runs, number INTEGER NOT NULL, start REAL, "end" REAL,
    first_step INTEGER, last_step INTEGER, resumed_from INTEGER, PRIMARY KEY (run, number));

-- A file of the run, and how far it was read: offset is NULL until the first checkpoint.
CREATE TABLE sources (
    id INTEGER PRIMARY KEY, file NOT NULL UNIQUE, role TEXT, lane TEXT, labels TEXT,
    device INTEGER, inode INTEGER, offset INTEGER, line INTEGER, fingerprint BLOB, state BLOB, mtime REAL);

CREATE TABLE shapes (
    id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE,
    names TEXT NOT NULL, units TEXT NOT NULL, metrics TEXT NOT NULL, labels TEXT NOT NULL,
    -- The states that the line's durations tell of: lane and phases of [index, state, key, part]; or NULL.
    plan TEXT);
CREATE TABLE lines (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    shape INTEGER NOT NULL REFERENCES shapes, step INTEGER, time REAL, time_is TEXT NOT NULL,
    values_json TEXT NOT NULL,
    -- Seconds from the beginning of the step, whose durations the line prints, to the line.
    lasted REAL);
CREATE INDEX lines_by_source ON lines (source, line);
CREATE INDEX lines_by_shape ON lines (shape, source);

CREATE TABLE states (
    id INTEGER PRIMARY KEY, lane TEXT NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL, labels TEXT NOT NULL,
    UNIQUE (lane, state, key, labels));
-- States with lines of their own; those that a line's durations tell of follow from `lines` (view `laid_out`).
-- Only closed intervals with known times come in here, so that an id once seen never changes its meaning.
CREATE TABLE interval_rows (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    state INTEGER NOT NULL REFERENCES states, step INTEGER, start REAL, "end" REAL, duration REAL,
    time_is TEXT NOT NULL);
CREATE INDEX intervals_by_source ON interval_rows (source, line);
CREATE TABLE interval_open (
    source INTEGER NOT NULL REFERENCES sources, lane TEXT NOT NULL, name TEXT NOT NULL, line INTEGER NOT NULL,
    offset INTEGER NOT NULL, state INTEGER NOT NULL REFERENCES states, step INTEGER, start REAL, time_is TEXT NOT NULL,
    PRIMARY KEY (source, lane, name, line)) WITHOUT ROWID;
-- Laid out relative to a line whose time is not known yet: 0.0 is the moment of the line. The view leaves them out:
-- there, what has no end is open.
CREATE TABLE interval_unplaced (
    source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL,
    state INTEGER NOT NULL REFERENCES states, step INTEGER, start REAL, "end" REAL, duration REAL,
    PRIMARY KEY (source, line, number)) WITHOUT ROWID;

CREATE TABLE problem_rows (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    time REAL, time_is TEXT NOT NULL, level TEXT NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL,
    count INTEGER NOT NULL, step INTEGER, rule TEXT, labels TEXT NOT NULL);
CREATE INDEX problems_by_source ON problem_rows (source, line);
CREATE TABLE rollout_rows (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    time REAL, time_is TEXT NOT NULL, step INTEGER, phase TEXT NOT NULL, environment TEXT NOT NULL,
    count INTEGER NOT NULL, reward_count INTEGER NOT NULL, reward_sum REAL, reward_min REAL, reward_max REAL,
    errors INTEGER NOT NULL, truncated INTEGER NOT NULL);
CREATE INDEX rollouts_by_source ON rollout_rows (source, line);
CREATE TABLE fact_rows (
    id INTEGER PRIMARY KEY, source INTEGER NOT NULL REFERENCES sources, line INTEGER NOT NULL, offset INTEGER NOT NULL,
    time REAL, time_is TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, confidence REAL);
CREATE INDEX facts_by_source ON fact_rows (source, line);

{_SAMPLES}
{_VIEWS}CREATE VIEW problems AS
    SELECT s.file, p.line, p.offset, p.time, p.time_is, p.level, p.kind, p.message, p.count, p.step, p.rule, p.labels
    FROM problem_rows p JOIN sources s ON s.id = p.source;
CREATE VIEW rollouts AS
    SELECT s.file, r.line, r.offset, r.time, r.time_is, r.step, r.phase, r.environment, r.count, r.reward_count,
        r.reward_sum, r.reward_sum / nullif(r.reward_count, 0) AS reward_mean, r.reward_min, r.reward_max,
        r.errors, r.truncated
    FROM rollout_rows r JOIN sources s ON s.id = r.source;
CREATE VIEW facts AS
    SELECT s.file, f.line, f.offset, f.time, f.time_is, f.key, f.value, f.confidence
    FROM fact_rows f JOIN sources s ON s.id = f.source;
"""

_MESSAGES = """
-- What the agent knows by itself, as opposed to what the logs say: a JSON text under a name.
CREATE TABLE knowledge (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
-- channel: where the message is to go (NULL: it is only kept); delivered: when it was taken there.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, made REAL NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
    severity TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, todo TEXT NOT NULL, step INTEGER,
    episode TEXT NOT NULL, resolved INTEGER NOT NULL, labels TEXT NOT NULL, channel TEXT, delivered REAL);
CREATE INDEX outbox_waiting ON outbox (id) WHERE channel IS NOT NULL AND delivered IS NULL;
CREATE VIEW messages AS
    SELECT id, time, kind, severity, title, text, todo, step, episode, resolved, labels, channel, delivered FROM outbox;
"""

_CHANNELS = """
-- A message goes to several channels: what became of it there lies apart.
DROP VIEW messages;
DROP INDEX outbox_waiting;
ALTER TABLE outbox RENAME TO outbox_before;
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, made REAL NOT NULL, time REAL NOT NULL, kind TEXT NOT NULL,
    severity TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL, todo TEXT NOT NULL, step INTEGER,
    since REAL, since_step INTEGER, values_json TEXT NOT NULL, episode TEXT NOT NULL, resolved INTEGER NOT NULL,
    labels TEXT NOT NULL);
CREATE INDEX outbox_by_episode ON outbox (episode, id);
INSERT INTO outbox SELECT id, key, made, time, kind, severity, title, text, todo, step, NULL, NULL, '{}', episode,
    resolved, labels FROM outbox_before;
-- delivered: when it was last taken there, `times` times in all; dropped: why it never will be.
CREATE TABLE delivery_rows (
    channel TEXT NOT NULL, message INTEGER NOT NULL REFERENCES outbox, delivered REAL,
    times INTEGER NOT NULL DEFAULT 0, dropped TEXT, PRIMARY KEY (message, channel)) WITHOUT ROWID;
CREATE INDEX deliveries_by_channel ON delivery_rows (channel, delivered);
CREATE INDEX deliveries_waiting ON delivery_rows (channel, message) WHERE delivered IS NULL AND dropped IS NULL;
INSERT INTO delivery_rows SELECT channel, id, delivered, delivered IS NOT NULL, NULL FROM outbox_before
    WHERE channel IS NOT NULL;
DROP TABLE outbox_before;
CREATE VIEW messages AS
    SELECT id, time, kind, severity, title, text, todo, step, since, since_step, values_json, episode, resolved, labels
    FROM outbox;
CREATE VIEW deliveries AS
    SELECT d.message, d.channel, o.kind, o.title, o.made, d.delivered, d.times, d.dropped
    FROM delivery_rows d JOIN outbox o ON o.id = d.message;
"""

_COUNTS = "".join(
    f", coalesce(json_extract(r.counts, '$.{name}'), 0) AS {name}"
    for name in (
        "cancelled", "empty", "repetitive", "garbled", "identical", "tool_errors", "judged", "solved", "groups",
        "uniform_groups", "judged_groups", "solved_groups",
    )
)  # fmt: skip
_ROLLOUTS = f"""
-- counts: what else was counted, by name. figures: how each quantity is spread, by name (view rollout_figures).
ALTER TABLE rollout_rows ADD COLUMN counts TEXT NOT NULL DEFAULT '{{}}';
ALTER TABLE rollout_rows ADD COLUMN figures TEXT NOT NULL DEFAULT '{{}}';
DROP VIEW rollouts;
CREATE VIEW rollouts AS
    SELECT s.file, r.line, r.offset, r.time, r.time_is, r.step, r.phase, r.environment, r.count, r.reward_count,
        r.reward_sum, r.reward_sum / nullif(r.reward_count, 0) AS reward_mean,
        json_extract(r.figures, '$.reward.std') AS reward_std, r.reward_min, r.reward_max, r.errors, r.truncated
        {_COUNTS}, json_extract(r.figures, '$.response_tokens.mean') AS response_tokens_mean,
        json_extract(r.figures, '$.turns.mean') AS turns_mean, json_extract(r.figures, '$.seconds.mean') AS seconds_mean
    FROM rollout_rows r JOIN sources s ON s.id = r.source;
CREATE VIEW rollout_figures AS
    SELECT s.file, r.line, r.step, r.phase, r.environment, f.key AS quantity, json_extract(f.value, '$.count') AS count,
        json_extract(f.value, '$.mean') AS mean, json_extract(f.value, '$.std') AS std,
        json_extract(f.value, '$.min') AS min, json_extract(f.value, '$.max') AS max,
        json_extract(f.value, '$.buckets') AS buckets
    FROM rollout_rows r JOIN sources s ON s.id = r.source JOIN json_each(r.figures) f;
"""

#: A step of a shape can be looked up, to correct what it says.
_STEPS = """
DROP INDEX lines_by_shape;
CREATE INDEX lines_by_shape ON lines (shape, step, source);
"""

_ALERTS = """
-- What the detectors said. bound: where the figure must be back for the alert to be over.
CREATE TABLE alert_rows (
    id TEXT PRIMARY KEY, detector TEXT NOT NULL, severity TEXT NOT NULL, incident TEXT NOT NULL, role TEXT NOT NULL,
    series TEXT NOT NULL, labels TEXT NOT NULL, step INTEGER, time REAL NOT NULL, value REAL, usual REAL, bound REAL,
    title TEXT NOT NULL, text TEXT NOT NULL, todo TEXT NOT NULL, resolved_step INTEGER, resolved_time REAL)
    WITHOUT ROWID;
CREATE VIEW alerts AS
    SELECT detector, severity, step, time, resolved_step, resolved_time, title, value, usual, bound, series, role,
        labels, text, todo, id, incident
    FROM alert_rows;
"""

_DECLARED_SAMPLES = _SAMPLES.replace(
    ", h.labels", ", h.labels, coalesce(json_extract(h.declared, '$.kind'), 'gauge') AS kind"
)
_DECLARED = f"""
-- What a program that calls rli_agent.api said of its metric: kind, help, bounds of the buckets; or NULL.
ALTER TABLE shapes ADD COLUMN declared TEXT;
DROP VIEW samples;
{_DECLARED_SAMPLES}
"""

_CURVES = """
-- What a message shows beside its words: a figure at the newest steps, and where to look on.
ALTER TABLE outbox ADD COLUMN curve TEXT;
ALTER TABLE outbox ADD COLUMN links TEXT NOT NULL DEFAULT '[]';
"""

_TIMES = f"""
-- A time that becomes known after its line was kept lies beside it, so that long rows are not written again.
DROP VIEW samples;
DROP VIEW series;
DROP VIEW intervals;
DROP VIEW laid_out;
ALTER TABLE lines RENAME TO line_rows;
CREATE TABLE line_times (id INTEGER PRIMARY KEY REFERENCES line_rows, time REAL NOT NULL);
CREATE TRIGGER line_gone AFTER DELETE ON line_rows BEGIN DELETE FROM line_times WHERE id = old.id; END;
CREATE VIEW lines AS
    SELECT r.id, r.source, r.line, r.offset, r.shape, r.step,
        coalesce(r.time, (SELECT t.time FROM line_times t WHERE t.id = r.id)) AS time, r.time_is,
        r.values_json, r.lasted
    FROM line_rows r;
{_DECLARED_SAMPLES}{_VIEWS}
"""

#: Scripts in order; the store's version (PRAGMA user_version) is how many of them it has seen.
MIGRATIONS = (_FIRST, _MESSAGES, _CHANNELS, _ROLLOUTS, _STEPS, _ALERTS, _DECLARED, _CURVES, _TIMES)


def migrate(db: sqlite3.Connection, path: Path) -> None:
    """Brings the layout up to this version, in one transaction.

    Raises StoreError for a file of another program or of a newer version, which is then left as it is.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (things,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (things or version):
        raise StoreError(f"{path} is a database of another program: give another place with --state-dir")
    if version > len(MIGRATIONS):
        raise StoreError(
            f"the store {path} was written by a newer rli-agent (layout {version}, this one knows {len(MIGRATIONS)}): "
            "upgrade rli-agent, or give another place with --state-dir"
        )
    if version == len(MIGRATIONS):
        return
    script = "".join(MIGRATIONS[version:])
    stamps = f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {len(MIGRATIONS)};"
    db.executescript(f"BEGIN IMMEDIATE; {script} {stamps} COMMIT")
