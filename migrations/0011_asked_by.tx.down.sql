ALTER TABLE conversations DROP COLUMN asked_by;
