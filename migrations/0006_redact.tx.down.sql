ALTER TABLE work_log_stats DROP COLUMN redacted;
ALTER TABLE work_logs DROP COLUMN redacted;
