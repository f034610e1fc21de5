package archive

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/internal/store"
)

// line is one entry of an object.
type line struct {
	ID       string          `json:"id"`
	Owner    int64           `json:"owner"`
	Seq      int64           `json:"seq"`
	LoggedAt time.Time       `json:"logged_at"`
	Details  string          `json:"details"`
	Metadata json.RawMessage `json:"metadata"`
}

// maxWindow bounds the memory of a decoder, whatever a damaged frame claims.
const maxWindow = 8 << 20

var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(true), zstd.WithWindowSize(1<<20))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxRaw), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			panic(err)
		}
		return d
	})
)

func encode(payloads []store.Payload) ([]byte, error) {
	var b bytes.Buffer
	lines := json.NewEncoder(&b)
	lines.SetEscapeHTML(false)
	for i := range payloads {
		p := &payloads[i]
		err := lines.Encode(line{ID: p.ID, Owner: p.Owner, Seq: p.Seq, LoggedAt: p.LoggedAt.UTC(), Details: p.Details, Metadata: p.Metadata})
		if err != nil {
			return nil, fmt.Errorf("archive: entry %s: %w", p.ID, err)
		}
	}
	return encoder().EncodeAll(b.Bytes(), nil), nil
}

// decode returns the entries of an object by id. Whatever is wrong with it is ErrDamaged.
func decode(data []byte) (map[string]line, error) {
	raw, err := decoder().DecodeAll(data, nil)
	if err != nil {
		return nil, ErrDamaged
	}
	found := make(map[string]line)
	s := bufio.NewScanner(bytes.NewReader(raw))
	s.Buffer(nil, maxRaw)
	for s.Scan() {
		var l line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil || l.ID == "" {
			return nil, ErrDamaged
		}
		found[l.ID] = l
	}
	if s.Err() != nil {
		return nil, ErrDamaged
	}
	return found, nil
}
