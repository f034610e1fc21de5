-- Of a warm entry the details lie in details_z, compressed; details is then empty. Of a cold one they lie, with the
-- metadata, in the archive object that archive_url names.
ALTER TABLE work_logs
    ADD COLUMN details_z     bytea, -- one zstd frame
    ADD COLUMN details_bytes integer; -- the details' length when they are not in details
ALTER TABLE work_logs ALTER COLUMN details_z SET STORAGE EXTERNAL; -- nothing is left to compress
COMMENT ON COLUMN work_logs.expires_at IS 'restored: hot until then, whatever its age';

-- An admin's hold: neither sweep, deletion nor erasure touches the conversation and its entries.
ALTER TABLE conversations ADD COLUMN hold boolean NOT NULL DEFAULT false;

-- What lies in the archive, one owner's payloads in each object. An object is known here before it is written, and
-- forgotten after it is deleted: one that no entry points to (rows = 0) is what a sweep has emptied or a kill left behind.
CREATE TABLE archive_objects (
    name       text        PRIMARY KEY, -- below WORKLOG_ARCHIVE_URL
    owner_id   bigint      NOT NULL REFERENCES users (id),
    sha256     bytea       NOT NULL, -- of the bytes as stored
    bytes      bigint      NOT NULL, -- as stored
    entries    integer     NOT NULL, -- written into it
    rows       integer     NOT NULL DEFAULT 0 CONSTRAINT archive_objects_rows CHECK (rows >= 0), -- whose payload is nowhere else
    created_at timestamptz NOT NULL
);
CREATE INDEX archive_objects_owner ON archive_objects (owner_id);
CREATE INDEX archive_objects_empty ON archive_objects (created_at) WHERE rows = 0;

-- The history of retention. A run that is not finished is running, or its process was killed.
CREATE TABLE sweeps (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_by    text        NOT NULL CHECK (started_by IN ('schedule', 'command', 'api', 'page')),
    user_id       bigint      REFERENCES users (id) ON DELETE SET NULL, -- the admin who asked; null: nobody did
    scheduled_for timestamptz, -- which day's sweep this was
    state         text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'done', 'failed', 'interrupted')),
    started_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    warm          bigint      NOT NULL DEFAULT 0, -- entries that became so
    cold          bigint      NOT NULL DEFAULT 0,
    archived      bigint      NOT NULL DEFAULT 0,
    deleted       bigint      NOT NULL DEFAULT 0,
    freed_bytes   bigint      NOT NULL DEFAULT 0, -- of the database
    stored_bytes  bigint      NOT NULL DEFAULT 0, -- written to the archive
    dropped_bytes bigint      NOT NULL DEFAULT 0, -- deleted from the archive
    error         text        NOT NULL DEFAULT '' -- a line for each step that was stopped
);
CREATE INDEX sweeps_started_at ON sweeps (started_at);
