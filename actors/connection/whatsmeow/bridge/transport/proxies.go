// Package transport opens TLS connections to WhatsApp's servers, directly or through a proxy.
package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/proxy"
)

// Failed reports that a proxy let nothing through: `Kind` is the cause, `Detail` says at which step. It has no address.
type Failed struct{ Kind, Detail string }

// Error is the cause with its step, for a log.
func (f *Failed) Error() string { return f.Kind + ": " + f.Detail }

// The kinds of Failed.
const (
	Unreachable    = "proxy_unreachable"
	Authentication = "proxy_authentication_failed"
	Rejected       = "proxy_refused"
	Private        = "proxy_private_address"
)

// ErrUnknown reports an address that is none of a proxy.
var ErrUnknown = errors.New("unknown kind of proxy")

const (
	patience = 30 * time.Second
	// within is how long a proxy has to connect to the server.
	within = 10 * time.Second
)

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// New returns a transport that makes all connections through the proxy at this URL (http, https, socks5), or
// directly where it is empty. Proxies of the environment are not used, and none in the refused networks.
func New(through string, refused []netip.Prefix) (*http.Transport, error) {
	direct := &net.Dialer{Timeout: patience, KeepAlive: patience}
	made := &http.Transport{DialContext: direct.DialContext, TLSHandshakeTimeout: patience}
	if through == "" {
		return made, nil
	}
	found, err := url.Parse(through)
	if err != nil || found.Hostname() == "" || found.Port() == "" {
		return nil, ErrUnknown
	}
	direct.Control = outside(refused)
	switch found.Scheme {
	case "http", "https":
		made.DialContext = connect(found, direct)
	case "socks5", "socks5h":
		found.Scheme = "socks5" // the proxy resolves names in any case
		dialer, err := proxy.FromURL(found, reached{direct})
		if err != nil {
			return nil, ErrUnknown
		}
		made.DialContext = reported(dialer.(proxy.ContextDialer).DialContext)
	default:
		return nil, ErrUnknown
	}
	return made, nil
}

// nat64 are addresses of IPv6 that end in one of IPv4, which they lead to.
var nat64 = netip.MustParsePrefix("64:ff9b::/96")

// outside fails for each address in these networks, as a socket is about to connect to it: a name that changes after
// it was judged reaches nothing.
func outside(refused []netip.Prefix) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		target, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		host := target.Addr().Unmap().WithZone("")
		if nat64.Contains(host) {
			octets := host.As16()
			host = netip.AddrFrom4([4]byte(octets[12:]))
		}
		for _, network := range refused {
			if network.Contains(host) {
				return &Failed{Private, "connect"}
			}
		}
		return nil
	}
}

// reached dials a proxy itself.
type reached struct{ *net.Dialer }

func (r reached) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	connection, err := r.Dialer.DialContext(ctx, network, address)
	var known *Failed
	if err != nil && !timedOut(err) && !errors.As(err, &known) {
		err = &Failed{Unreachable, "connect"}
	}
	return connection, err
}

// reported tells failures of the proxy from those of the server behind it.
func reported(open dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		connection, err := open(ctx, network, address)
		if err != nil {
			return nil, failure(err)
		}
		return connection, nil
	}
}

// failure says why nothing came through. The library for SOCKS has texts, and no types, for a proxy's answers.
func failure(err error) *Failed {
	var known *Failed
	switch text := err.Error(); {
	case errors.As(err, &known):
		return known
	case timedOut(err):
		return &Failed{Unreachable, "timeout"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE):
		return &Failed{Unreachable, "broke_off"}
	case strings.Contains(text, "authentication"):
		return &Failed{Authentication, "answer"}
	case strings.Contains(text, "unknown error"):
		return &Failed{Rejected, "answer"}
	default:
		return &Failed{Unreachable, "answer"}
	}
}

func timedOut(err error) bool {
	var found net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &found) && found.Timeout()
}

// connect opens a tunnel for servers with and without TLS alike: only a tunnel carries a WebSocket for sure.
func connect(through *url.URL, direct *net.Dialer) dial {
	return reported(func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := reached{direct}.DialContext(ctx, network, through.Host)
		if err != nil {
			return nil, err
		}
		stop := context.AfterFunc(ctx, func() { _ = connection.SetDeadline(time.Unix(1, 0)) })
		defer stop()
		if through.Scheme == "https" {
			connection = tls.Client(connection, &tls.Config{ServerName: through.Hostname(), MinVersion: tls.VersionTLS12})
		}
		if err := tunnel(connection, through.User, address); err != nil {
			_ = connection.Close()
			return nil, err
		}
		return connection, nil
	})
}

func tunnel(connection net.Conn, user *url.Userinfo, address string) error {
	if err := connection.SetDeadline(time.Now().Add(within)); err != nil {
		return err
	}
	request := &http.Request{
		Method: http.MethodConnect, URL: &url.URL{Opaque: address}, Host: address, Header: http.Header{},
	}
	if user != nil {
		password, _ := user.Password()
		secret := base64.StdEncoding.EncodeToString([]byte(user.Username() + ":" + password))
		request.Header.Set("Proxy-Authorization", "Basic "+secret)
	}
	if err := request.Write(connection); err != nil {
		return err
	}
	// The server behind the tunnel speaks second: nothing of its is lost in the reader.
	answer, err := http.ReadResponse(bufio.NewReader(connection), request)
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		kind := Rejected
		if answer.StatusCode == http.StatusProxyAuthRequired {
			kind = Authentication
		}
		return &Failed{kind, fmt.Sprint("answer_", answer.StatusCode)}
	}
	return connection.SetDeadline(time.Time{})
}
