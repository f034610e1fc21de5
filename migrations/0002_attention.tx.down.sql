DROP TABLE tool_times;
DROP INDEX work_logs_running;
ALTER TABLE conversations DROP COLUMN asking_count, DROP COLUMN turn, DROP COLUMN turn_at, DROP COLUMN prompted_at;
ALTER TABLE work_logs DROP COLUMN asked_at, DROP COLUMN silent_after;
