// Package transport opens connections to WhatsApp's servers, directly or through a proxy.
package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/net/proxy"
)

// ErrProxy reports that the proxy could not be reached, or refused.
var ErrProxy = errors.New("proxy failed")

// ErrUnknown reports an address that is none of a proxy.
var ErrUnknown = errors.New("unknown kind of proxy")

const patience = 30 * time.Second

type dial = func(ctx context.Context, network, address string) (net.Conn, error)

// New returns a transport that makes all connections through the proxy at this URL (http, https, socks5), or
// directly where it is empty. Proxies of the environment are not used.
func New(through string) (*http.Transport, error) {
	direct := &net.Dialer{Timeout: patience, KeepAlive: patience}
	made := &http.Transport{DialContext: direct.DialContext, TLSHandshakeTimeout: patience}
	if through == "" {
		return made, nil
	}
	found, err := url.Parse(through)
	if err != nil || found.Hostname() == "" || found.Port() == "" {
		return nil, ErrUnknown
	}
	switch found.Scheme {
	case "http", "https":
		made.DialContext = connect(found, direct)
	case "socks5", "socks5h":
		found.Scheme = "socks5" // the proxy resolves names in any case
		dialer, err := proxy.FromURL(found, direct)
		if err != nil {
			return nil, ErrUnknown
		}
		made.DialContext = reported(dialer.(proxy.ContextDialer).DialContext)
	default:
		return nil, ErrUnknown
	}
	return made, nil
}

// reported tells failures of the proxy from those of the server behind it.
func reported(open dial) dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := open(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrProxy, err)
		}
		return connection, nil
	}
}

// connect opens a tunnel for servers with and without TLS alike: only a tunnel carries a WebSocket for sure.
func connect(through *url.URL, direct *net.Dialer) dial {
	return reported(func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := direct.DialContext(ctx, network, through.Host)
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
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
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
		return fmt.Errorf("refused with %d", answer.StatusCode)
	}
	return connection.SetDeadline(time.Time{})
}
