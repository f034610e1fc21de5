package wire

import (
	"bytes"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// mended returns an encoded message of that type with replacement characters for what is no UTF-8 in its texts, since the
// decoder refuses all of a message for one of them; false when raw is damaged otherwise, or too deep.
func mended(raw []byte, of protoreflect.MessageDescriptor, depth int) ([]byte, bool) {
	if depth > protoDepth {
		return nil, false
	}
	out := make([]byte, 0, len(raw)+16)
	for len(raw) > 0 {
		num, typ, tag := protowire.ConsumeTag(raw)
		if tag < 0 {
			return nil, false
		}
		value := protowire.ConsumeFieldValue(num, typ, raw[tag:])
		if value < 0 {
			return nil, false
		}
		field := of.Fields().ByNumber(num)
		if typ != protowire.BytesType || field == nil {
			out, raw = append(out, raw[:tag+value]...), raw[tag+value:]
			continue
		}
		body, _ := protowire.ConsumeBytes(raw[tag:])
		switch field.Kind() {
		case protoreflect.StringKind:
			if !utf8.Valid(body) {
				body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
			}
		case protoreflect.MessageKind:
			inner, ok := mended(body, field.Message(), depth+1)
			if !ok {
				return nil, false
			}
			body = inner
		}
		out, raw = protowire.AppendBytes(append(out, raw[:tag]...), body), raw[tag+value:]
	}
	return out, true
}
