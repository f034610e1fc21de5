package account

import (
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// maxFailures is how often an address may fail for one account within failureWindow.
	maxFailures   = 10
	failureWindow = 15 * time.Minute
	// maxAttempts is how often one address may try any accounts within failureWindow: a list of names with one
	// password each. An office behind one address stays below.
	maxAttempts = 100
	// maxThrottled bounds memory: 100,000 entries are about 20 MB. Beyond it the oldest half of their kind goes.
	maxThrottled = 100_000
	// maxEmail is the longest address an account can have.
	maxEmail = 254
	// ipv6Prefix is what one customer gets; counting single addresses would count nothing.
	ipv6Prefix = 64
)

// Throttle slows down guessing of passwords, by account and address, and by address.
type Throttle struct {
	mu    sync.Mutex
	gates map[throttleKey]*gate
}

// throttleKey is a struct and not a joined string: no account name can imitate another key.
type throttleKey struct {
	address netip.Prefix
	account string
	any     bool // every account: account is empty
}

type gate struct {
	limiter *rate.Limiter
	used    time.Time
}

// NewThrottle returns an empty throttle.
func NewThrottle() *Throttle { return &Throttle{gates: make(map[throttleKey]*gate)} }

// Attempt counts an attempt before its password is looked at, so that parallel ones can not slip through. It returns 0
// if it may go ahead, else how long to wait.
func (t *Throttle) Attempt(email, ip string, now time.Time) time.Duration {
	own, all := keysOf(email, ip)
	t.mu.Lock()
	defer t.mu.Unlock()
	if wait := t.gate(all, maxAttempts, now).take(now); wait > 0 {
		return wait
	}
	return t.gate(own, maxFailures, now).take(now)
}

// Succeeded forgets the failures of email from ip. Those of the address alone stay: else an attacker with an account of
// his own would clear them.
func (t *Throttle) Succeeded(email, ip string) {
	own, _ := keysOf(email, ip)
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.gates, own)
}

// Sweep forgets who has not tried for a whole window.
func (t *Throttle) Sweep(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key, g := range t.gates {
		if now.Sub(g.used) > failureWindow {
			delete(t.gates, key)
		}
	}
}

// Size is how many counters are held.
func (t *Throttle) Size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.gates)
}

func keysOf(email, ip string) (own, all throttleKey) {
	address := network(ip)
	name := strings.ToLower(strings.TrimSpace(email))
	if len(name) > maxEmail {
		name = name[:maxEmail] // no such account exists
	}
	return throttleKey{address: address, account: name}, throttleKey{address: address, any: true}
}

// network is the block of addresses that counts as one.
func network(ip string) netip.Prefix {
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return netip.Prefix{} // all unknown addresses are one
	}
	addr = addr.Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = ipv6Prefix
	}
	prefix, _ := addr.Prefix(bits) // the bits fit
	return prefix
}

// gate returns the counter of key. When there are too many, those that were not used for the longest part of a window go.
func (t *Throttle) gate(key throttleKey, burst int, now time.Time) *gate {
	g, ok := t.gates[key]
	if !ok {
		for age := failureWindow; len(t.gates) >= maxThrottled; age /= 2 {
			for k, old := range t.gates {
				if age == 0 || now.Sub(old.used) >= age {
					delete(t.gates, k)
				}
			}
		}
		g = &gate{limiter: rate.NewLimiter(rate.Every(failureWindow/time.Duration(burst)), burst)}
		t.gates[key] = g
	}
	g.used = now
	return g
}

// take takes one attempt, or says when there will be one.
func (g *gate) take(now time.Time) time.Duration {
	r := g.limiter.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > 0 {
		r.CancelAt(now)
	}
	return wait
}
