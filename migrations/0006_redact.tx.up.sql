-- How many secrets were replaced in an entry before it was stored, and in all entries of an owner.
ALTER TABLE work_logs ADD COLUMN redacted integer NOT NULL DEFAULT 0;
ALTER TABLE work_log_stats ADD COLUMN redacted bigint NOT NULL DEFAULT 0;
