package engine

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"golang.org/x/net/proxy"
)

// connectRefused tells a proxy that refuses from a server that is not there.
func connectRefused(_ context.Context, _ *url.URL, _ *http.Request, answer *http.Response) error {
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %d", errProxy, answer.StatusCode)
	}
	return nil
}

func socks(dialer proxy.ContextDialer) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		connection, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errProxy, err)
		}
		return connection, nil
	}
}
