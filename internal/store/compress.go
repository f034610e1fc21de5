package store

import (
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/worklogdev/worklog/worklog"
)

const (
	// compressionLevel is noted with each row that is compressed: zstd's default.
	compressionLevel = 3
	// compressFrom is the length from which details are compressed at all: the frame of a shorter text saves nothing.
	compressFrom = 128
	// maxInflated bounds what a frame may claim to hold, far above the longest details that are kept.
	maxInflated = 4 << 20
)

// Encoder and decoder hold buffers, and EncodeAll and DecodeAll may run concurrently.
var (
	deflater = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(2), zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
		if err != nil {
			panic(err) // the options are constants
		}
		return e
	})
	inflater = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(maxInflated), zstd.WithDecoderLowmem(true))
		if err != nil {
			panic(err)
		}
		return d
	})
)

// deflate returns the compressed text, or nil when that would save less than a tenth.
func deflate(text string) []byte {
	if len(text) < compressFrom {
		return nil
	}
	z := deflater().EncodeAll([]byte(text), nil)
	if len(z) > len(text)-len(text)/10 {
		return nil
	}
	return z
}

// inflate returns the details of a row, wherever in it they are.
func inflate(details string, z []byte) (string, error) {
	if len(z) == 0 {
		return details, nil
	}
	text, err := inflater().DecodeAll(z, nil)
	if err != nil {
		return "", &worklog.Error{Code: worklog.CodeInternal, Message: "compressed details can not be read", Err: err}
	}
	return string(text), nil
}

// unreadable is shown in place of details whose compressed form is damaged.
const unreadable = "[the compressed details of this entry are damaged]"
