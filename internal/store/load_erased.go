package store

import (
	"context"

	"github.com/worklogdev/worklog/internal/account"
)

// erasures is the migration that knows of them.
const erasures = "0005_audit"

// sqlLateErased are users whose erasure began while the dump was being written. Users come first in it, as they were; what
// each of them has comes later, closed and with entries gone. Without its order there would be somebody in the copy who
// can sign in, and write nothing.
const sqlLateErased = "(SELECT u.id FROM users u JOIN work_log_stats st ON st.owner_id = u.id WHERE st.closed AND u.erasing_at IS NULL)"

// orderErasures does for those users what shutOut does, in the schema of the dump.
func (l *Loader) orderErasures(ctx context.Context) error {
	for _, sql := range []string{
		"DELETE FROM tokens WHERE owner_id IN " + sqlLateErased,
		"UPDATE conversations SET visibility = 'private', hold = false WHERE owner_id IN " + sqlLateErased,
		"UPDATE audit SET address = '' WHERE address <> '' AND actor_id IN " + sqlLateErased,
		`UPDATE audit a SET reason = regexp_replace(a.reason, regexp_replace(u.email, '([^[:alnum:]])', '\\\1', 'g'), '[erased]', 'gi')
			FROM users u WHERE strpos(lower(a.reason), lower(u.email)) > 0 AND u.id IN ` + sqlLateErased,
	} {
		if _, err := l.tx.Exec(ctx, sql); err != nil {
			return err
		}
	}
	_, err := l.tx.Exec(ctx, "INSERT INTO audit (at, actor, action, subject_id, reason) SELECT now(), $1, $2, id, $3 FROM "+sqlLateErased+" AS x (id)",
		account.Program().Name, string(account.ActUserErase), "erased while the backup was being written")
	if err != nil {
		return err
	}
	_, err = l.tx.Exec(ctx, `UPDATE users SET email = $1 || id, password_hash = NULL, admin = false, disabled_at = COALESCE(disabled_at, now()), erasing_at = now(),
		rate_limit = 0 WHERE id IN `+sqlLateErased, erasedName)
	return err
}
