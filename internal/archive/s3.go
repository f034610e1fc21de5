package archive

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"net/url"
	"path"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

const (
	// defaultEndpoint is where buckets are when the URL names no endpoint.
	defaultEndpoint = "https://s3.amazonaws.com"
	// s3Tries bounds how often a request is sent; opTimeout bounds all of them.
	s3Tries = 3
)

// s3Bucket is a bucket of an S3-compatible store.
type s3Bucket struct {
	client       *minio.Client
	name, prefix string
}

// Credentials open an S3-compatible store.
type Credentials struct{ AccessKey, SecretKey string }

// Open returns the bucket at a URL: file:///srv/archive, or s3://bucket/prefix?endpoint=https://host&region=name. It
// does not ask whether it is there: an archive that is away stops nothing but what needs it.
func Open(address string, c Credentials) (Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	switch u.Scheme {
	case "file":
		return folder{dir: u.Path}, nil
	case "s3":
		return openS3(u, c)
	}
	return nil, fmt.Errorf("archive: %s is neither file:// nor s3://", address)
}

func openS3(u *url.URL, c Credentials) (Bucket, error) {
	endpoint := u.Query().Get("endpoint")
	if endpoint == "" {
		endpoint = defaultEndpoint
	}
	e, err := url.Parse(endpoint)
	if err != nil || e.Host == "" {
		return nil, fmt.Errorf("archive: the endpoint %q is not a URL", endpoint)
	}
	client, err := minio.New(e.Host, &minio.Options{
		Creds: credentials.NewStaticV4(c.AccessKey, c.SecretKey, ""), Secure: e.Scheme == "https", Region: u.Query().Get("region"), MaxRetries: s3Tries,
	})
	if err != nil {
		return nil, fmt.Errorf("archive: %w", err)
	}
	return &s3Bucket{client: client, name: u.Host, prefix: strings.Trim(u.Path, "/")}, nil
}

func (b *s3Bucket) key(name string) string { return path.Join(b.prefix, name) }

func (b *s3Bucket) Put(ctx context.Context, name string, data []byte) error {
	_, err := b.client.PutObject(ctx, b.name, b.key(name), bytes.NewReader(data), int64(len(data)),
		minio.PutObjectOptions{ContentType: "application/zstd", DisableMultipart: true})
	return err
}

func (b *s3Bucket) Get(ctx context.Context, name string, limit int64) ([]byte, error) {
	o, err := b.client.GetObject(ctx, b.name, b.key(name), minio.GetObjectOptions{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }()
	data, err := io.ReadAll(io.LimitReader(o, limit))
	if minio.ToErrorResponse(err).Code == minio.NoSuchKey {
		return nil, fs.ErrNotExist
	}
	return data, err
}

func (b *s3Bucket) Delete(ctx context.Context, name string) error {
	return b.client.RemoveObject(ctx, b.name, b.key(name), minio.RemoveObjectOptions{})
}

func (b *s3Bucket) List(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		for o := range b.client.ListObjectsIter(ctx, b.name, minio.ListObjectsOptions{Prefix: b.key(prefix) + "/", Recursive: true}) {
			if o.Err != nil {
				yield("", o.Err)
				return
			}
			if !yield(strings.TrimPrefix(strings.TrimPrefix(o.Key, b.prefix), "/"), nil) {
				return
			}
		}
	}
}
