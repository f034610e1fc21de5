package spool

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"sync"
	"time"
)

// A record is its head, its label and its body. The head: magic, number, time, length of label and body, checksum of
// both, and a checksum of the head itself, so that a length is never believed that the disk made up.
const (
	magic      = "wlS1"
	headLength = 4 + 8 + 8 + 4 + 4 + 4 + 4
)

// castagnoli is the polynomial that processors know.
var castagnoli = sync.OnceValue(func() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) })

// appendRecord appends r as it stands in a segment.
func appendRecord(b []byte, r Record) []byte {
	begin := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint64(b, r.Seq)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.At.UnixNano()))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Label)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(r.Body)))
	sum := crc32.Update(crc32.Checksum([]byte(r.Label), castagnoli()), castagnoli(), r.Body)
	b = binary.LittleEndian.AppendUint32(b, sum)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[begin:], castagnoli()))
	b = append(b, r.Label...)
	return append(b, r.Body...)
}

// found is what scan finds: a record, or why there is none.
type found struct {
	seq        uint64
	begin, end int // in the segment
	bad        error
	raw        []byte // label and body
	label      int    // length of the label
	at         time.Time
}

func (f found) record() Record {
	return Record{Seq: f.seq, At: f.at, Label: string(f.raw[:f.label]), Body: bytes.Clone(f.raw[f.label:])}
}

var (
	errHead    = errors.New("this is no record")
	errContent = errors.New("the checksum of a record does not match its content")
)

// scan finds the records in a segment, and what is between them.
func scan(raw []byte) iter.Seq[found] {
	return func(yield func(found) bool) {
		for at := 0; at < len(raw); {
			f := read(raw, at)
			if f.end == 0 { // no head here: look for the next one
				f.begin, f.end = at, nextHead(raw, at+1)
			}
			if !yield(f) {
				return
			}
			at = f.end
		}
	}
}

// read reads the record at an offset. Without a whole record its end is 0.
func read(raw []byte, at int) found {
	head := raw[at:]
	if len(head) < headLength || string(head[:4]) != magic || crc32.Checksum(head[:headLength-4], castagnoli()) != binary.LittleEndian.Uint32(head[headLength-4:]) {
		return found{bad: errHead}
	}
	label, body := int(binary.LittleEndian.Uint32(head[20:])), int(binary.LittleEndian.Uint32(head[24:]))
	if label > maxLabel || body > MaxBody || len(head) < headLength+label+body {
		return found{bad: errHead}
	}
	f := found{
		seq: binary.LittleEndian.Uint64(head[4:]), begin: at, end: at + headLength + label + body, label: label,
		at: time.Unix(0, int64(binary.LittleEndian.Uint64(head[12:]))).UTC(), raw: head[headLength : headLength+label+body],
	}
	if crc32.Checksum(f.raw, castagnoli()) != binary.LittleEndian.Uint32(head[28:]) {
		f.bad = errContent
	}
	return f
}

// nextHead is the offset of the next whole record that can be trusted at or after an offset, or the end of the segment.
func nextHead(raw []byte, at int) int {
	for at < len(raw) {
		i := bytes.Index(raw[at:], []byte(magic))
		if i < 0 {
			break
		}
		if at += i; read(raw, at).end > 0 {
			return at
		}
		at++
	}
	return len(raw)
}
