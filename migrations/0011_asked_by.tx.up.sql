-- Whose question it is when the turn is 'asked': only that sub-agent, or the session's own agent, takes it back by going on.
ALTER TABLE conversations
    ADD COLUMN asked_by text NOT NULL DEFAULT ''; -- the key of the sub-agent's entry; empty: the session's own
