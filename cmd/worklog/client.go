package main

import (
	"fmt"
	"strings"

	"github.com/worklogdev/worklog/worklog"
)

// defaultURL is where a server listens that nobody has told otherwise.
const defaultURL = "http://127.0.0.1:8080"

// client returns a client for the server that WORKLOG_URL and WORKLOG_TOKEN name.
func (a *app) client(options ...worklog.Option) (*worklog.Client, error) {
	token, err := a.setting("WORKLOG_TOKEN")
	if err != nil {
		return nil, err
	}
	if token == "" {
		return nil, fmt.Errorf("set WORKLOG_TOKEN to a token of the server: make one on its page Settings, or with `worklog token create`")
	}
	url, err := a.setting("WORKLOG_URL")
	if err != nil {
		return nil, err
	}
	if url == "" {
		url = defaultURL
	}
	return worklog.New(url, token, options...), nil
}

// setting reads a variable of the environment, or the file that NAME_FILE names.
func (a *app) setting(name string) (string, error) {
	if v := a.env(name); v != "" {
		return v, nil
	}
	path := a.env(name + "_FILE")
	if path == "" {
		return "", nil
	}
	raw, err := a.readFile(path)
	if err != nil {
		return "", fmt.Errorf("%s_FILE: %w", name, err)
	}
	return strings.TrimSpace(string(raw)), nil
}
