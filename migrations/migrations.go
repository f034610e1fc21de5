// Package migrations embeds the schema as numbered SQL files. Names ending in .tx.up.sql run in one transaction.
package migrations

import "embed"

// FS holds the migration files.
//
//go:embed *.sql
var FS embed.FS
