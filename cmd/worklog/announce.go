package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/worklogdev/worklog/internal/account"
	"github.com/worklogdev/worklog/worklog"
)

const (
	// setupLinkLife is how long the first link works. Every start prints a fresh one.
	setupLinkLife = 24 * time.Hour
	demoLinkLife  = 30 * 24 * time.Hour
)

// announce says where the site is and how to get in.
func (p *program) announce(ctx context.Context, background *parts) error {
	url := p.url()
	p.log.Info("listening", "url", url)
	if p.demo {
		return p.startDemo(ctx, background, url)
	}
	n, err := p.store.CountUsers(ctx)
	if err != nil || n > 0 {
		return err
	}
	link, err := p.newLink(ctx, account.LinkSetup, 0, setupLinkLife)
	if err == nil {
		fmt.Fprintf(p.app.stdout, "\nNobody can sign in yet. Make the first admin: %s\n\n", link)
	}
	return err
}

// url is the site's address for somebody on this machine.
func (p *program) url() string {
	if p.cfg.BaseURL != "" {
		return p.cfg.BaseURL
	}
	return p.localURL()
}

// localURL is where the listener is, whatever a proxy shows.
func (p *program) localURL() string {
	host, port, err := net.SplitHostPort(p.address)
	if err != nil {
		return "http://" + p.address
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

// newLink makes a one-time link; a setup link kills the older ones.
func (p *program) newLink(ctx context.Context, kind account.LinkKind, user int64, life time.Duration) (string, error) {
	secret := account.NewLinkSecret()
	if err := p.store.CreateLink(ctx, kind, user, account.HashSecret(secret), life); err != nil {
		return "", err
	}
	return p.url() + "/enter/" + secret, nil
}

// startDemo makes the demo user, prints a link that signs in with one click, and lets the agent write.
func (p *program) startDemo(ctx context.Context, background *parts, url string) error {
	user, token, err := p.demoUser(ctx)
	if err != nil {
		return err
	}
	link, err := p.newLink(ctx, account.LinkDemo, user.ID, demoLinkLife)
	if err != nil {
		return err
	}
	background.run("demo", ctx, func(ctx context.Context) error { return runDemo(ctx, p.localURL(), token, p.log) })
	fmt.Fprintf(p.app.stdout, "\nworklog runs as a demo: an agent is writing. Open this link, it signs you in:\n\n    %s\n\nStop it with Ctrl-C.\n\n", link)
	return nil
}

// demoTokenName marks the agent's token. Every start makes a new one and revokes those before.
const demoTokenName = "demo agent"

// demoUser finds or makes the demo's user and gives the agent a token. It may read, because it goes on with what the
// token of the last start wrote.
func (p *program) demoUser(ctx context.Context) (account.User, string, error) {
	user, _, err := p.store.UserByEmail(ctx, account.DemoEmail)
	if worklog.CodeOf(err) == worklog.CodeNotFound {
		user, err = p.store.CreateUser(ctx, account.DemoEmail, "", true)
	}
	if err != nil {
		return user, "", err
	}
	old, err := p.store.Tokens(ctx, user.ID)
	if err != nil {
		return user, "", err
	}
	for _, t := range old {
		if t.Name == demoTokenName && t.RevokedAt.IsZero() {
			if err := p.store.RevokeToken(ctx, user.ID, t.ID); err != nil {
				return user, "", err
			}
		}
	}
	request := account.TokenRequest{Name: demoTokenName, Scopes: []account.Scope{account.ScopeWrite, account.ScopeRead}}
	token, secret, err := account.NewToken(user, request, true, p.app.now().UTC())
	if err == nil {
		err = p.store.CreateToken(ctx, token, account.HashSecret(secret))
	}
	return user, secret, err
}
