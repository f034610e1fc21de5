-- An object is condemned before it is deleted: from then on no entry may come to need it, whoever believes to be the only
-- one that sweeps.
ALTER TABLE archive_objects ADD COLUMN condemned boolean NOT NULL DEFAULT false;
