package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"
)

// healthcheckTimeout is shorter than what container engines wait.
const healthcheckTimeout = 5 * time.Second

// healthcheckCmd asks a server whether it is ready: for the HEALTHCHECK of a container that has no curl.
type healthcheckCmd struct {
	URL  string `name:"url" help:"The server's address; by default that of LISTEN_ADDR on this machine."`
	Live bool   `help:"Ask only whether the process answers, not whether its database does."`
}

// Run succeeds when the server is ready.
func (cmd healthcheckCmd) Run(a *app) error {
	base := cmd.URL
	if base == "" {
		address, err := a.setting("LISTEN_ADDR")
		if err != nil {
			return err
		}
		if base = defaultURL; address != "" {
			base = localURL(address)
		}
	}
	path := "/readyz"
	if cmd.Live {
		path = "/healthz"
	}
	ctx, cancel := context.WithTimeout(a.ctx, healthcheckTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return fmt.Errorf("%q is not an address", base)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("no answer from %s", base)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s%s answers %s", base, path, res.Status)
	}
	return nil
}

// localURL is where this machine reaches a server that listens on address.
func localURL(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "http://" + address
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
