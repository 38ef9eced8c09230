// Tests that sockets go through the proxy.

package tests

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"teimoso-whatsmeow/pipe"
)

// relay is a proxy on loopback, with a name and a password; `used` counts connections that it passed on.
type relay struct {
	listener net.Listener
	used     atomic.Int32
}

func listen(t *testing.T, serve func(*relay, net.Conn)) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	one := &relay{listener: listener}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(one, client)
		}
	}()
	return one
}

func (one *relay) join(client net.Conn, from io.Reader, address, welcome string) {
	server, err := net.Dial("tcp", address)
	if err != nil {
		_ = client.Close()
		return
	}
	one.used.Add(1)
	_, _ = client.Write([]byte(welcome))
	go func() {
		_, _ = io.Copy(server, from)
		_ = server.Close()
	}()
	_, _ = io.Copy(client, server)
	_ = client.Close()
}

// forwards is an HTTP proxy; it takes CONNECT and, as for ws:// without TLS, whole addresses.
func forwards(one *relay, client net.Conn) {
	reader := bufio.NewReader(client)
	request, err := http.ReadRequest(reader)
	if err != nil {
		return
	}
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("user:secret"))
	if request.Header.Get("Proxy-Authorization") != want {
		_, _ = client.Write([]byte("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"))
		_ = client.Close()
		return
	}
	if request.Method == http.MethodConnect {
		one.join(client, reader, request.Host, "HTTP/1.1 200 OK\r\n\r\n")
		return
	}
	request.Header.Del("Proxy-Authorization")
	var head strings.Builder
	_ = request.Write(&head)
	one.join(client, io.MultiReader(strings.NewReader(head.String()), reader), request.Host, "")
}

// socks is a SOCKS5 proxy with a password.
func socks(one *relay, client net.Conn) {
	fail := func() { _ = client.Close() }
	head := make([]byte, 2)
	if _, err := io.ReadFull(client, head); err != nil {
		fail()
		return
	}
	_, _ = io.CopyN(io.Discard, client, int64(head[1]))
	_, _ = client.Write([]byte{5, 2})
	read := func() string {
		size := make([]byte, 1)
		_, _ = io.ReadFull(client, size)
		text := make([]byte, size[0])
		_, _ = io.ReadFull(client, text)
		return string(text)
	}
	_, _ = io.CopyN(io.Discard, client, 1)
	if name, password := read(), read(); name != "user" || password != "secret" {
		_, _ = client.Write([]byte{1, 1})
		fail()
		return
	}
	_, _ = client.Write([]byte{1, 0})
	request := make([]byte, 4)
	if _, err := io.ReadFull(client, request); err != nil {
		fail()
		return
	}
	var host string
	if request[3] == 1 {
		address := make([]byte, 4)
		_, _ = io.ReadFull(client, address)
		host = net.IP(address).String()
	} else {
		host = read()
	}
	port := make([]byte, 2)
	_, _ = io.ReadFull(client, port)
	one.join(client, client, fmt.Sprintf("%s:%d", host, binary.BigEndian.Uint16(port)),
		"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
}

func TestSocketsGoThroughTheProxy(t *testing.T) {
	t.Parallel()
	for scheme, serve := range map[string]func(*relay, net.Conn){"http": forwards, "socks5": socks} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			through := listen(t, serve)
			address := through.listener.Addr().String()
			one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
			one.number = number()
			post(t, "/phones", object{"number": one.number})
			hello := pipe.Fields{"proxy": scheme + "://user:secret@" + address}
			if err := one.hello(1, hello).Err; err != nil {
				t.Fatal(err)
			}
			one.link()
			one.login()
			if used := through.used.Load(); used != 2 {
				t.Errorf("the proxy was used %d times for two sockets", used)
			}
			refused := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
			refused.hello(1, pipe.Fields{"proxy": scheme + "://user:wrong@" + address})
			if why := refused.endsBy(func() { refused.do("login", nil, nil) }); why["cause"] != "proxy_authentication_failed" {
				t.Errorf("ended by %v", why)
			}
			gone := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
			gone.hello(1, pipe.Fields{"proxy": scheme + "://user:secret@127.0.0.1:1"})
			if why := gone.endsBy(func() { gone.do("login", nil, nil) }); why["cause"] != "proxy_unreachable" {
				t.Errorf("ended by %v", why)
			}
			if used := through.used.Load(); used != 2 {
				t.Errorf("a socket went past the proxy: %d", used)
			}
		})
	}
}

func TestAProxyInARefusedNetworkIsNotReached(t *testing.T) {
	t.Parallel()
	for scheme, serve := range map[string]func(*relay, net.Conn){"http": forwards, "socks5": socks} {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			var came atomic.Int32
			through := listen(t, func(one *relay, client net.Conn) {
				came.Add(1)
				serve(one, client)
			})
			_, port, _ := net.SplitHostPort(through.listener.Addr().String())
			for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]"} {
				one := start(t, filepath.Join(t.TempDir(), "whatsmeow.db"))
				address := scheme + "://user:secret@" + host + ":" + port
				refused := []string{"127.0.0.0/8", "::/3"}
				if err := one.hello(1, pipe.Fields{"proxy": address, "refused": refused}).Err; err != nil {
					t.Fatal(err)
				}
				if why := one.endsBy(func() { one.do("login", nil, nil) }); why["cause"] != "proxy_private_address" {
					t.Errorf("%s ended by %v", host, why)
				}
			}
			if met := came.Load(); met != 0 {
				t.Errorf("%d connections came to the proxy", met)
			}
		})
	}
}
