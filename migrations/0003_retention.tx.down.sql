-- Payloads of the archive stay there: restore them first.
DROP TABLE sweeps;
ALTER TABLE work_logs DROP COLUMN details_z, DROP COLUMN details_bytes;
DROP TABLE archive_objects;
ALTER TABLE conversations DROP COLUMN hold;
