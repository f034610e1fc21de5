-- Whether an owner has entries whose payload lies in the archive is asked before objects are deleted. Without an index of
-- those alone the answer no takes a walk through everything that the owner has, or has had.
CREATE INDEX work_logs_archived ON work_logs (owner_id) WHERE archive_url IS NOT NULL;
