ALTER TABLE work_log_stats
    DROP COLUMN day,
    DROP COLUMN day_bytes,
    DROP COLUMN cut;
