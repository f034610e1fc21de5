-- Room: what a user has written on a day, and how many entries had their details cut because there was no more.
ALTER TABLE work_log_stats
    ADD COLUMN day       date, -- the last one, in UTC, on which entries were written
    ADD COLUMN day_bytes bigint NOT NULL DEFAULT 0, -- written on it
    ADD COLUMN cut       bigint NOT NULL DEFAULT 0;
