DROP INDEX work_logs_archived;
