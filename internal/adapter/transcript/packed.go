package transcript

import (
	"bufio"
	"bytes"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

const (
	// PackedExt ends the names of the files that Codex compresses.
	PackedExt = ".zst"
	// maxWindow bounds the memory that a compressed file asks for. Codex writes with windows of 2 MiB.
	maxWindow = 32 << 20
	// lineBuffer is the buffer of a reader of lines.
	lineBuffer = 256 << 10
)

// zstdMagic begins every Zstandard frame.
const zstdMagic = "\x28\xb5\x2f\xfd"

// Lines returns a reader of what in holds, which may be compressed with Zstandard, and how to let go of it. It takes no
// more memory than maxWindow however much comes out; the reader gives an error where the file is damaged.
func Lines(in io.Reader) (lines *bufio.Reader, release func()) {
	lines = bufio.NewReaderSize(in, lineBuffer)
	if head, _ := lines.Peek(len(zstdMagic)); !bytes.Equal(head, []byte(zstdMagic)) {
		return lines, func() {}
	}
	// The options are right, and nothing is read before the first Read: there is no error.
	z, err := zstd.NewReader(lines, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return bufio.NewReader(failing{err}), func() {}
	}
	return bufio.NewReaderSize(z, lineBuffer), z.Close
}

// PlainName is the name of a file before it was compressed.
func PlainName(name string) string { return strings.TrimSuffix(name, PackedExt) }

// failing is a reader that has failed.
type failing struct{ err error }

// Read returns the error.
func (f failing) Read([]byte) (int, error) { return 0, f.err }
