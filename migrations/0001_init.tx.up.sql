-- One row. The epoch changes when a backup is restored: revs of another epoch mean nothing here.
CREATE TABLE installation (
    one        boolean     PRIMARY KEY DEFAULT true CHECK (one),
    id         uuid        NOT NULL DEFAULT gen_random_uuid(),
    epoch      uuid        NOT NULL DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE users (
    id            bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email         text        NOT NULL CONSTRAINT users_email_length CHECK (length(email) BETWEEN 3 AND 254),
    password_hash text,
    admin         boolean     NOT NULL DEFAULT false,
    disabled_at   timestamptz,
    created_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email_key ON users (lower(email));

CREATE TABLE sessions (
    token_hash   bytea       PRIMARY KEY, -- sha256 of the cookie's value
    id           uuid        NOT NULL UNIQUE DEFAULT gen_random_uuid(), -- the public handle
    user_id      bigint      REFERENCES users (id) ON DELETE CASCADE, -- null: not signed in
    data         bytea       NOT NULL,
    user_agent   text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sessions_user_id ON sessions (user_id);
CREATE INDEX sessions_expires_at ON sessions (expires_at);

CREATE TABLE tokens (
    id           uuid        PRIMARY KEY,
    owner_id     bigint      NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name         text        NOT NULL,
    hash         bytea       NOT NULL UNIQUE, -- sha256 of the secret
    prefix       text        NOT NULL,
    scopes       text[]      NOT NULL,
    rate_limit   integer     NOT NULL DEFAULT 0, -- new entries a minute; 0: the installation's
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX tokens_owner_id ON tokens (owner_id);

-- One-time links: the first admin, invitations, password resets, the demo's sign-in.
CREATE TABLE links (
    hash       bytea       PRIMARY KEY, -- sha256 of the link's secret
    kind       text        NOT NULL CHECK (kind IN ('setup', 'invite', 'reset', 'demo')),
    user_id    bigint      REFERENCES users (id) ON DELETE CASCADE, -- null only for setup
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    CHECK (user_id IS NOT NULL OR kind = 'setup')
);

CREATE TABLE conversations (
    owner_id      bigint      NOT NULL REFERENCES users (id),
    id            uuid        NOT NULL,
    key           text,
    title         text        NOT NULL DEFAULT '',
    visibility    text        NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'team')),
    keep          boolean     NOT NULL DEFAULT false,
    pinned        boolean     NOT NULL DEFAULT false,
    entry_count   bigint      NOT NULL DEFAULT 0,
    working_count bigint      NOT NULL DEFAULT 0,
    error_count   bigint      NOT NULL DEFAULT 0,
    last_status   text        NOT NULL DEFAULT 'info',
    last_entry_at timestamptz,
    created_at    timestamptz NOT NULL,
    archived_at   timestamptz,
    deleted_at    timestamptz,
    PRIMARY KEY (owner_id, id)
) WITH (fillfactor = 50); -- counters change with every batch: leave room for HOT updates
CREATE INDEX conversations_id ON conversations (id);
CREATE UNIQUE INDEX conversations_key ON conversations (owner_id, key) WHERE key IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX conversations_team ON conversations (owner_id) WHERE visibility = 'team' AND deleted_at IS NULL;
CREATE INDEX conversations_deleted ON conversations (deleted_at) WHERE deleted_at IS NOT NULL;

-- One row per owner and the sequencer: it stays locked from the first statement of a writing transaction to its
-- commit, so per owner the order of revs is the order of commits, and the counters can not drift from the rows.
-- Written only by upsert.
CREATE TABLE work_log_stats (
    owner_id       bigint      PRIMARY KEY REFERENCES users (id),
    last_rev       bigint      NOT NULL DEFAULT 0,
    stored         bigint      NOT NULL DEFAULT 0,
    updated        bigint      NOT NULL DEFAULT 0,
    unchanged      bigint      NOT NULL DEFAULT 0,
    merged         bigint      NOT NULL DEFAULT 0,
    limited        bigint      NOT NULL DEFAULT 0,
    limited_noted  bigint      NOT NULL DEFAULT 0, -- of limited: already told in an entry
    invalid        bigint      NOT NULL DEFAULT 0,
    hot            bigint      NOT NULL DEFAULT 0,
    warm           bigint      NOT NULL DEFAULT 0,
    cold           bigint      NOT NULL DEFAULT 0,
    archived       bigint      NOT NULL DEFAULT 0,
    bytes          bigint      NOT NULL DEFAULT 0,
    last_logged_at timestamptz
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

CREATE TABLE work_logs (
    owner_id          bigint      NOT NULL,
    seq               bigint      NOT NULL,
    rev               bigint      NOT NULL,
    id                uuid        NOT NULL,
    conversation_id   uuid,
    key               text,
    parent_key        text,
    type              text        NOT NULL CHECK (type IN ('ai_response', 'tool_call', 'file_operation', 'deployment', 'error', 'info')),
    status            text        NOT NULL CHECK (status IN ('working', 'success', 'warning', 'error', 'info')),
    tool              text        NOT NULL DEFAULT '',
    title             text        NOT NULL,
    details           text        NOT NULL DEFAULT '',
    metadata          jsonb       NOT NULL DEFAULT '{}',
    source            text        NOT NULL DEFAULT '',
    token_id          uuid, -- which token wrote it; null: a session, or worklog itself
    repeats           integer     NOT NULL DEFAULT 1,
    inferred          boolean     NOT NULL DEFAULT false,
    keep              boolean     NOT NULL DEFAULT false,
    started_at        timestamptz,
    ended_at          timestamptz,
    logged_at         timestamptz NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    storage_status    text        NOT NULL DEFAULT 'hot' CHECK (storage_status IN ('hot', 'warm', 'cold', 'archived')),
    compression_level smallint    NOT NULL DEFAULT 0,
    expires_at        timestamptz,
    archived_at       timestamptz,
    archive_url       text,
    PRIMARY KEY (owner_id, seq),
    FOREIGN KEY (owner_id, conversation_id) REFERENCES conversations (owner_id, id) ON DELETE SET NULL (conversation_id)
);
CREATE UNIQUE INDEX work_logs_id ON work_logs (owner_id, id);
CREATE UNIQUE INDEX work_logs_key ON work_logs (owner_id, key) WHERE key IS NOT NULL;
CREATE INDEX work_logs_rev ON work_logs (owner_id, rev);
CREATE INDEX work_logs_conversation ON work_logs (owner_id, conversation_id, seq);
CREATE INDEX work_logs_retention ON work_logs (storage_status, logged_at);
