package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/worklogdev/worklog/worklog"
)

// plainConns gives each client's transaction a connection. On two cores it is as fast with 4, 8, 16 or 32.
const plainConns = fewClients

// plainCommand makes this program the server of [plain].
const plainCommand = "plain"

// plain is a server that does with a POST what one does without a group commit: read the draft, one transaction of
// stats upsert and insert, answer with the entry. It is the floor under the same load over HTTP, and has none of
// worklog's limits, keys, conversations made on first use, or news for open pages.
type plain struct {
	pool   *pgxpool.Pool
	owners map[string]plainOwner // by token
}

// plainConfig is what the server reads on its standard input.
type plainConfig struct {
	DSN    string
	Owners map[string]plainOwner
}

type plainOwner struct {
	ID            int64
	Token         uuid.UUID
	Conversations map[string]uuid.UUID // by key
}

// servePlain serves until in ends. It writes its address to out.
func servePlain(ctx context.Context, in io.Reader, out io.Writer) error {
	d := json.NewDecoder(in)
	var c plainConfig
	if err := d.Decode(&c); err != nil {
		return err
	}
	pc, err := pgxpool.ParseConfig(c.DSN)
	if err != nil {
		return err
	}
	pc.MaxConns = plainConns
	p := &plain{owners: c.Owners}
	if p.pool, err = pgxpool.NewWithConfig(ctx, pc); err != nil {
		return err
	}
	defer p.pool.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(p.post), ReadHeaderTimeout: answerTimeout}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, io.MultiReader(d.Buffered(), in))
		_ = server.Close()
	}()
	fmt.Fprintln(out, l.Addr())
	err = server.Serve(l)
	<-ended
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (p *plain) post(w http.ResponseWriter, r *http.Request) {
	o, ok := p.owners[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	if !ok {
		http.Error(w, "unknown token", http.StatusUnauthorized)
		return
	}
	e, err := p.store(r, o)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answer, err := (&worklog.Receipt{Outcome: worklog.OutcomeStored, Entry: e}).AppendJSON(nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write(answer)
}

func (p *plain) store(r *http.Request, o plainOwner) (*worklog.Entry, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	d, err := worklog.DecodeDraft(raw)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	d.Normalize()
	if err := d.Validate(now); err != nil {
		return nil, err
	}
	e := &worklog.Entry{
		ID: uuid.NewString(), ConversationID: o.Conversations[d.Conversation].String(), Type: d.Type, Status: d.Status, StorageStatus: worklog.StorageHot,
		Tool: d.Tool, Title: d.Title, Details: d.Details, Metadata: d.Metadata, Source: d.Source, Repeats: 1, EndedAt: now, LoggedAt: now, CreatedAt: now, UpdatedAt: now,
	}
	return e, pgx.BeginFunc(r.Context(), p.pool, func(tx pgx.Tx) error {
		if err := tx.QueryRow(r.Context(), baseStats, o.ID, int64(len(d.Details)), now).Scan(&e.Rev); err != nil {
			return err
		}
		e.Seq = e.Rev
		_, err := tx.Exec(r.Context(), baseInsert, o.ID, e.Seq, e.Rev, e.ID, e.ConversationID, nil, string(e.Type), string(e.Status), e.Tool, e.Title, e.Details,
			map[string]any(e.Metadata), e.Source, o.Token, 1, false, false, now, now, now, now)
		return err
	})
}

// startPlain runs the plain server as a process of its own. Closing stop ends it.
func (b *baseline) startPlain(ctx context.Context) (stop func(), err error) {
	c := plainConfig{DSN: b.site.postgres.DSN(), Owners: map[string]plainOwner{}}
	for i, o := range b.owners {
		p := plainOwner{ID: o.id, Token: o.token, Conversations: map[string]uuid.UUID{}}
		for n, id := range o.conversations {
			p.Conversations[conversationKey(int64(n))] = id
		}
		c.Owners[b.site.users[i].token] = p
	}
	config, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, os.Args[0], plainCommand)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	b.site.pool.Reset() // its connections and ours together are more than PostgreSQL takes
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
		b.site.plain = 0
	}
	if _, err = in.Write(append(config, '\n')); err == nil {
		b.plainAddress, err = bufio.NewReader(out).ReadString('\n')
	}
	if err != nil {
		stop()
		return nil, err
	}
	b.plainAddress = strings.TrimSpace(b.plainAddress)
	b.site.plain = cmd.Process.Pid
	return stop, nil
}
