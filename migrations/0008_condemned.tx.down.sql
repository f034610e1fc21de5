ALTER TABLE archive_objects DROP COLUMN condemned;
