package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/worklogdev/worklog/worklog"
)

// logCmd writes one entry.
type logCmd struct {
	Title             string            `arg:"" help:"What happened."`
	Type              string            `help:"One of ${types}." default:"info" enum:"${types}"`
	Status            string            `help:"One of ${statuses}." default:"info" enum:"${statuses}"`
	Tool              string            `help:"The tool that was used, e.g. Bash."`
	Conversation      string            `help:"The key of a conversation; it is made on first use."`
	ConversationTitle string            `help:"The title of a conversation that has none yet."`
	Key               string            `help:"Your name for the entry: the same key changes the same entry, e.g. from working to success."`
	Parent            string            `help:"The key of the step that this one is part of."`
	Details           string            `help:"More text; - reads it from standard input."`
	Metadata          map[string]string `help:"Facts, as name=value; may be given more than once." mapsep:"none" placeholder:"K=V"`
	Source            string            `help:"What writes this."`
}

// logVars are the lists in logCmd's help.
func logVars() kong.Vars {
	var types, statuses []string
	for _, t := range worklog.Types() {
		types = append(types, string(t))
	}
	for _, s := range worklog.Statuses() {
		statuses = append(statuses, string(s))
	}
	return kong.Vars{"types": strings.Join(types, ","), "statuses": strings.Join(statuses, ",")}
}

// Run prints the id of the entry.
func (cmd logCmd) Run(a *app) error {
	c, err := a.client()
	if err != nil {
		return err
	}
	d := worklog.Draft{
		Title: cmd.Title, Type: worklog.Type(cmd.Type), Status: worklog.Status(cmd.Status), Tool: cmd.Tool, Conversation: cmd.Conversation,
		ConversationTitle: cmd.ConversationTitle, Key: cmd.Key, Parent: cmd.Parent, Details: cmd.Details, Source: cmd.Source,
	}
	if cmd.Details == "-" {
		raw, err := io.ReadAll(io.LimitReader(a.stdin, worklog.MaxDetailsBytes+1))
		if err != nil {
			return fmt.Errorf("read the details: %w", err)
		}
		_, _ = io.Copy(io.Discard, a.stdin) // whoever pipes into this must not get SIGPIPE
		d.Details = string(raw)
	}
	for name, value := range cmd.Metadata {
		if d.Metadata == nil {
			d.Metadata = worklog.Metadata{}
		}
		d.Metadata[name] = value
	}
	receipts, err := c.Append(a.ctx, d)
	if err != nil {
		return err
	}
	if r := receipts[0]; r.Outcome == worklog.OutcomeLimited {
		fmt.Fprintln(a.stderr, "worklog: not stored:", printable(r.Reason))
	} else if r.Entry != nil {
		fmt.Fprintln(a.stdout, printable(r.Entry.ID))
	}
	return nil
}
