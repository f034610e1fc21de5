DROP TABLE work_logs;
DROP TABLE work_log_stats;
DROP TABLE conversations;
DROP TABLE links;
DROP TABLE tokens;
DROP TABLE sessions;
DROP TABLE users;
DROP TABLE installation;
