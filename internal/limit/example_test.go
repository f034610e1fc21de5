package limit_test

import (
	"fmt"
	"time"

	"github.com/worklogdev/worklog/internal/limit"
)

// A writer reserves places, and gives back those whose drafts did not become new entries.
func Example() {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	l := limit.New(limit.Options{PerMinute: 60, Import: 20_000, Now: func() time.Time { return now }})
	user := limit.Window{Owner: 7}

	places := l.Reserve(user, 59) // 59 drafts arrive
	l.Release(places, 1)          // one of them only completed a running step
	places = l.Reserve(user, 5)   // five more
	fmt.Println(places.N, l.State(user).Remaining)

	now = now.Add(20 * time.Second)
	fmt.Println(l.Reserve(user, 1).N, l.State(user).Reset)
	// Output:
	// 2 0
	// 0 40s
}
