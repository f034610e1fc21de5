-- Who needs somebody. A running step that waits for a permission says since when; every running step says how long it may
-- be silent before that is worth a word. The counters of conversations are kept by the group commit, as the others are.
ALTER TABLE work_logs
    ADD COLUMN asked_at     timestamptz, -- since when it waits for a permission; null: it does not, or has ended
    ADD COLUMN silent_after integer;     -- seconds without news that are usual for its tool; null: it never ran here

ALTER TABLE conversations
    ADD COLUMN asking_count bigint NOT NULL DEFAULT 0, -- running steps that wait for a permission
    ADD COLUMN turn         text   NOT NULL DEFAULT '' CHECK (turn IN ('', 'agent', 'asked', 'user', 'failed')), -- whose move it is
    ADD COLUMN turn_at      timestamptz, -- when that was said
    ADD COLUMN prompted_at  timestamptz; -- the last word of its user: what was asked before is answered

-- The running steps of a conversation: few, whatever its size.
CREATE INDEX work_logs_running ON work_logs (owner_id, conversation_id) WHERE status = 'working';

-- The longest that a tool ever took.
CREATE TABLE tool_times (
    owner_id   bigint NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    tool       text   NOT NULL,
    longest_ms bigint NOT NULL,
    PRIMARY KEY (owner_id, tool)
);
