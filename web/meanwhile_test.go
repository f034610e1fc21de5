package web

import (
	"testing"
	"time"

	"github.com/worklogdev/worklog/internal/account"
)

func TestATokenThatWasGoodWhenTheDatabaseWentAwayStaysGoodMeanwhile(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	principal := func(id string) *account.Principal { return &account.Principal{Token: &account.Token{ID: id}} }
	early, late, revoked := [32]byte{1}, [32]byte{2}, [32]byte{3}
	c := newTokenCache()
	c.put(early, principal("early"), start, 0)
	c.put(late, principal("late"), start.Add(time.Hour), 0)
	c.put(revoked, principal("revoked"), start.Add(time.Hour), 0)
	c.forget("revoked")
	away := start.Add(time.Hour + tokenTTL/2)
	c.lose(away)
	for _, minutes := range []int{0, 10, 600} {
		at := away.Add(time.Duration(minutes) * time.Minute)
		if p, _ := c.get(late, at); minutes > 0 && p != nil {
			t.Errorf("after %d minutes the token is believed everywhere", minutes)
		}
		if c.meanwhile(late, at) == nil {
			t.Errorf("after %d minutes the token that was checked half a minute before is refused", minutes)
		}
		for name, key := range map[string][32]byte{"checked an hour before": early, "revoked": revoked, "unknown": {9}} {
			if c.meanwhile(key, at) != nil {
				t.Errorf("after %d minutes the token that was %s is believed", minutes, name)
			}
		}
	}
	c.forgetAll()
	if c.meanwhile(late, away) != nil {
		t.Error("a token is believed that has to be checked again")
	}
}

func TestATokenIsAskedForWhenTheDatabaseIsBackAndStaysGoodIfItGoesAwayBeforeThat(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := newTokenCache()
	key, old := [32]byte{1}, [32]byte{2}
	a := &account.Principal{Token: &account.Token{ID: "a"}}
	c.put(old, &account.Principal{Token: &account.Token{ID: "old"}}, start.Add(-tokenTTL), 0)
	c.put(key, a, start, 0)
	at := start
	for range 3 {
		c.lose(at.Add(tokenTTL / 2))
		at = at.Add(time.Hour)
		if c.meanwhile(key, at) == nil {
			t.Fatal("a token is not good meanwhile")
		}
		c.doubt(at)
		if p, _ := c.get(key, at); p != nil || c.away(key, at) != nil {
			t.Fatal("a token that may have been revoked is believed")
		}
	}
	if c.meanwhile(old, at) != nil {
		t.Error("a token that was checked long before is good")
	}
	c.drop(key)
	if c.meanwhile(key, at) != nil {
		t.Error("a token that the database does not know is good")
	}
	_, age := c.get(key, at)
	c.put(key, a, at, age)
	if p, _ := c.get(key, at); p == nil {
		t.Error("a token that was asked for is not believed")
	}
	c.doubt(at)
	if c.meanwhile(key, at.Add(tokenTTL)) != nil {
		t.Error("a token is good that nobody has asked for since the database came back long ago")
	}
}

func TestAnAnswerOfTheDatabaseEndsItsAbsence(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := newTokenCache()
	c.put([32]byte{1}, &account.Principal{Token: &account.Token{ID: "a"}}, start, 0)
	c.lose(start)
	c.put([32]byte{2}, &account.Principal{Token: &account.Token{ID: "b"}}, start.Add(2*tokenTTL), 0)
	if c.meanwhile([32]byte{1}, start.Add(3*tokenTTL)) != nil {
		t.Error("an absence that is over keeps an old token good")
	}
}

func TestADatabaseThatHangsIsNotAskedForEveryHook(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	c := newTokenCache()
	key := [32]byte{1}
	c.put(key, &account.Principal{Token: &account.Token{ID: "a"}}, start, 0)
	c.lose(start.Add(time.Second))
	later := start.Add(10 * tokenTTL)
	if c.away(key, later) != nil {
		t.Error("nobody has asked yet")
	}
	c.meanwhile(key, later)
	if c.away(key, later.Add(lookupAgain)) == nil {
		t.Error("the next one has to ask, too")
	}
	if c.away(key, later.Add(lookupAgain+1)) != nil {
		t.Error("nobody asks any more")
	}
	c.forget("a")
	if c.away(key, later) != nil {
		t.Error("a revoked token is believed")
	}
}
