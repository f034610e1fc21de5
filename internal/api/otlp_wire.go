package api

import (
	"encoding/binary"
	"encoding/json"
	"mime"
	"net/http"

	"github.com/worklogdev/worklog/internal/adapter/otlp/wire"
	"github.com/worklogdev/worklog/worklog"
)

const (
	mediaProtobuf = "application/x-protobuf"
	// fieldLogRecords and fieldSpans are what partial_success calls the number of records that were refused.
	fieldLogRecords = "rejectedLogRecords"
	fieldSpans      = "rejectedSpans"
)

// otlpEncoding reads the Content-Type of an exporter.
func otlpEncoding(r *http.Request) (wire.Encoding, error) {
	t, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	switch t {
	case mediaProtobuf, "application/protobuf", "application/vnd.google.protobuf":
		return wire.Protobuf, nil
	case mediaJSON:
		return wire.JSON, nil
	}
	return 0, worklog.Errorf(worklog.CodeMediaType, "the Content-Type must be application/x-protobuf or application/json")
}

func mediaOf(enc wire.Encoding) string {
	if enc == wire.Protobuf {
		return mediaProtobuf
	}
	return mediaJSON
}

// protobuf writes an Export*ServiceResponse: { partial_success: { rejected = 1, error_message = 2 } = 1 }.
func (x *exportResult) protobuf() []byte {
	if x.rejected == 0 {
		return []byte{}
	}
	partial := binary.AppendUvarint([]byte{1 << 3}, uint64(x.rejected))
	partial = appendProtoBytes(partial, 2, []byte(x.message()))
	return appendProtoBytes(nil, 1, partial)
}

// appendProtoBytes appends a field of bytes, a text or a message.
func appendProtoBytes(b []byte, field byte, v []byte) []byte {
	return append(binary.AppendUvarint(append(b, field<<3|2), uint64(len(v))), v...)
}

// quoted is s as a JSON text.
func quoted(s string) []byte {
	raw, _ := json.Marshal(s) // a text: can not fail
	return raw
}
