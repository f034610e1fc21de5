DROP TABLE readings;
DROP INDEX conversations_hold;
DROP TABLE audit;
DROP FUNCTION audit_append_only;
ALTER TABLE work_log_stats DROP COLUMN closed;
ALTER TABLE users
    DROP COLUMN erased_at,
    DROP COLUMN erasing_at,
    DROP COLUMN rate_limit;
