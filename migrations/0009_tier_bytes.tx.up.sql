-- Bytes per storage status, of what entries have in the database; what bytes has beyond them is hot. They are counted anew
-- here, and bytes with them: it was not always kept in the way of today.
ALTER TABLE work_log_stats
    ADD COLUMN warm_bytes     bigint NOT NULL DEFAULT 0,
    ADD COLUMN cold_bytes     bigint NOT NULL DEFAULT 0,
    ADD COLUMN archived_bytes bigint NOT NULL DEFAULT 0;
UPDATE work_log_stats st SET bytes = v.bytes, warm_bytes = v.warm, cold_bytes = v.cold, archived_bytes = v.archived
FROM (SELECT s.owner_id, COALESCE(sum(w.size), 0)::bigint AS bytes, COALESCE(sum(w.size) FILTER (WHERE w.storage_status = 'warm'), 0)::bigint AS warm,
        COALESCE(sum(w.size) FILTER (WHERE w.storage_status = 'cold'), 0)::bigint AS cold,
        COALESCE(sum(w.size) FILTER (WHERE w.storage_status = 'archived'), 0)::bigint AS archived
    FROM work_log_stats s LEFT JOIN (SELECT owner_id, storage_status, octet_length(title) + octet_length(details) +
            COALESCE(octet_length(details_z), 0) + octet_length(metadata::text) AS size FROM work_logs) w USING (owner_id)
    GROUP BY s.owner_id) v
WHERE v.owner_id = st.owner_id;
