DROP FUNCTION rollup_add(integer[], integer[]);
DROP TABLE rollup_ledger;
DROP TABLE rollup_tools;
DROP TABLE rollup_owners;
DROP TABLE rollup_entries;
DROP TABLE rollup_open;
DROP TABLE rollup_marks;
