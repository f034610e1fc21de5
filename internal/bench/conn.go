package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// answerTimeout bounds the wait for one answer.
const answerTimeout = 30 * time.Second

// conn is a keep-alive connection that sends prepared bytes.
type conn struct {
	c   net.Conn
	r   *bufio.Reader
	buf []byte
}

func dial(ctx context.Context, address string) (*conn, error) {
	d := net.Dialer{Timeout: answerTimeout}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{c: c, r: bufio.NewReaderSize(c, 4096)}, nil
}

func (c *conn) close() { _ = c.c.Close() }

// head is the beginning of a POST with bearer token; the length of the body and an empty line follow.
func head(address, token, media string) []byte {
	return fmt.Appendf(nil, "POST /api/v1/logs HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: ", address, token, media)
}

// post sends a request and reads its answer. It returns the status, and the body when that is no success.
func (c *conn) post(head, body []byte) (status int, problem string, err error) {
	c.buf = append(c.buf[:0], head...)
	c.buf = strconv.AppendInt(c.buf, int64(len(body)), 10)
	c.buf = append(c.buf, "\r\n\r\n"...)
	c.buf = append(c.buf, body...)
	return c.exchange(c.buf)
}

func (c *conn) exchange(request []byte) (status int, problem string, err error) {
	if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, "", err
	}
	if _, err := c.c.Write(request); err != nil {
		return 0, "", err
	}
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	if res.StatusCode/100 == 2 {
		_, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, "", err
	}
	b, err := io.ReadAll(io.LimitReader(res.Body, 2000))
	return res.StatusCode, string(b), err
}

// firstByte sends a request and returns the time until the first byte of its answer, which must be a success.
func (c *conn) firstByte(request []byte) (time.Duration, error) {
	if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return 0, err
	}
	began := time.Now()
	if _, err := c.c.Write(request); err != nil {
		return 0, err
	}
	if _, err := c.r.Peek(1); err != nil {
		return 0, err
	}
	took := time.Since(began)
	res, err := http.ReadResponse(c.r, nil)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return 0, err
	}
	if res.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("status %s", res.Status)
	}
	return took, nil
}

// get is a GET request with one more header, such as Authorization or Cookie.
func get(address, path, header, accept string) []byte {
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\nAccept: %s\r\n\r\n", path, address, header, accept)
}

// stream is an open event stream.
type stream struct {
	conn  *conn
	topic int
	seen  []time.Duration // delays from stamp to arrival
	last  int64
}

// openStream sends request and reads the head of its answer.
func openStream(ctx context.Context, address string, request []byte, topic int) (*stream, error) {
	c, err := dial(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := c.c.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	if _, err := c.c.Write(request); err != nil {
		return nil, err
	}
	var head []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimSpace(line); line == "" {
			break
		}
		head = append(head, line)
	}
	if len(head) == 0 || !strings.Contains(head[0], " 200 ") {
		return nil, fmt.Errorf("stream refused: %v", head)
	}
	return &stream{conn: c, topic: topic}, c.c.SetDeadline(time.Time{})
}

// stampPrefix begins a stamp: the time of the POST in Unix nanoseconds.
const (
	stampPrefix = "ts="
	stampDigits = 19
)

// stamp is the text that tells when an entry was sent.
func stamp(at time.Time) string {
	return fmt.Sprintf("%s%0*d", stampPrefix, stampDigits, at.UnixNano())
}

// read collects stamps until the connection ends, and tells arrived about each new one.
func (s *stream) read(arrived func()) {
	buf := make([]byte, 8192)
	kept := 0 // a stamp may be cut by the end of a read
	for {
		n, err := s.conn.r.Read(buf[kept:])
		if err != nil {
			return
		}
		now := time.Now()
		rest := s.scan(buf[:kept+n], now, arrived)
		kept = copy(buf, rest)
	}
}

// scan notes the stamps in b and returns what may be the beginning of one more.
func (s *stream) scan(b []byte, now time.Time, arrived func()) []byte {
	const whole = len(stampPrefix) + stampDigits
	for {
		i := bytes.Index(b, []byte(stampPrefix))
		if i < 0 {
			return b[max(0, len(b)-len(stampPrefix)+1):]
		}
		if b = b[i:]; len(b) < whole {
			return b
		}
		at, err := strconv.ParseInt(string(b[len(stampPrefix):whole]), 10, 64)
		if err == nil && at != s.last { // an entry carries its stamp more than once
			s.last = at
			s.seen = append(s.seen, now.Sub(time.Unix(0, at)))
			arrived()
		}
		b = b[len(stampPrefix):]
	}
}
