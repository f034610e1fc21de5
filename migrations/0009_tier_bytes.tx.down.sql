ALTER TABLE work_log_stats
    DROP COLUMN warm_bytes,
    DROP COLUMN cold_bytes,
    DROP COLUMN archived_bytes;
