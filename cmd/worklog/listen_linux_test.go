package main

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A laptop that sleeps acknowledges nothing; its stream must not keep its place for a quarter of an hour.
func TestTheKernelGivesUpOnAReaderThatHasVanishedWithinAMinute(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := new(net.Dialer).DialContext(context.Background(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var ms int
	if err := raw.Control(func(fd uintptr) { ms, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) }); err != nil {
		t.Fatal(err)
	}
	if err != nil || ms != 60_000 {
		t.Errorf("TCP_USER_TIMEOUT of an accepted connection is %d ms, %v", ms, err)
	}
}
