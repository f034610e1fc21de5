-- What the dashboard reads. One worker at a time follows committed entries and moves its watermarks in the same
-- transaction; it never locks what the write path writes. No row refers to a user: history outlives them.

-- Up to where each owner's entries and counters are counted. What the ledger held before is in work_log_stats alone.
CREATE TABLE rollup_marks (
    owner_id  bigint PRIMARY KEY,
    rev       bigint NOT NULL DEFAULT 0,
    stored    bigint NOT NULL DEFAULT 0,
    updated   bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    merged    bigint NOT NULL DEFAULT 0,
    limited   bigint NOT NULL DEFAULT 0,
    invalid   bigint NOT NULL DEFAULT 0,
    redacted  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO rollup_marks (owner_id, stored, updated, unchanged, merged, limited, invalid)
    SELECT owner_id, stored, updated, unchanged, merged, limited, invalid FROM work_log_stats;

-- What was counted of entries that may still change in what is counted.
CREATE TABLE rollup_open (
    owner_id   bigint      NOT NULL,
    seq        bigint      NOT NULL,
    open       boolean     NOT NULL, -- working, or its end inferred; else only late facts are waited for
    type       text        NOT NULL,
    status     text        NOT NULL,
    tool       text        NOT NULL,
    took       smallint    NOT NULL, -- place of its duration; -1: none
    created_at timestamptz NOT NULL,
    PRIMARY KEY (owner_id, seq)
);
CREATE INDEX rollup_open_created_at ON rollup_open (open, created_at);

CREATE TABLE rollup_entries (
    grain  text        NOT NULL CHECK (grain IN ('minute', 'hour', 'day', 'week')),
    bucket timestamptz NOT NULL,
    type   text        NOT NULL,
    status text        NOT NULL,
    n      integer      NOT NULL,
    PRIMARY KEY (grain, bucket, type, status)
) WITH (fillfactor = 70);

CREATE TABLE rollup_owners (
    grain    text        NOT NULL CHECK (grain IN ('minute', 'hour', 'day', 'week')),
    bucket   timestamptz NOT NULL,
    owner_id bigint      NOT NULL,
    n        integer      NOT NULL,
    failed   integer      NOT NULL,
    PRIMARY KEY (grain, bucket, owner_id)
) WITH (fillfactor = 70);

CREATE TABLE rollup_tools (
    grain     text        NOT NULL CHECK (grain IN ('minute', 'hour', 'day', 'week')),
    bucket    timestamptz NOT NULL,
    tool      text        NOT NULL, -- empty: those beyond the first 200 of the bucket
    n         integer      NOT NULL,
    failed    integer      NOT NULL,
    durations integer[]   NOT NULL, -- how many took how long, in places that grow by the factor 2^(1/4) from a millisecond on
    PRIMARY KEY (grain, bucket, tool)
) WITH (fillfactor = 70);

-- Drafts by what became of them, at the moment at which they were counted.
CREATE TABLE rollup_ledger (
    grain     text        NOT NULL CHECK (grain IN ('minute', 'hour', 'day', 'week')),
    bucket    timestamptz NOT NULL,
    stored    bigint      NOT NULL,
    updated   bigint      NOT NULL,
    unchanged bigint      NOT NULL,
    merged    bigint      NOT NULL,
    limited   bigint      NOT NULL,
    invalid   bigint      NOT NULL,
    redacted  bigint      NOT NULL, -- of them: with something taken out
    PRIMARY KEY (grain, bucket)
) WITH (fillfactor = 50);

CREATE FUNCTION rollup_add(a integer[], b integer[]) RETURNS integer[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
    'SELECT COALESCE(array_agg(COALESCE(x, 0) + COALESCE(y, 0) ORDER BY i), ''{}'') FROM unnest(a, b) WITH ORDINALITY AS t (x, y, i)';
