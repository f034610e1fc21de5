-- From here on what is limited and not noted is what a kill left untold. Before, what exporters are told to send again was
-- never noted.
UPDATE work_log_stats SET limited_noted = limited WHERE limited_noted <> limited;
