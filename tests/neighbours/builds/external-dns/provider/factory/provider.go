// Package factory knows one provider here, by RFC 2136: the others are the clients of clouds.
package factory

import (
	"context"

	"sigs.k8s.io/external-dns/endpoint"
	"sigs.k8s.io/external-dns/pkg/apis/externaldns"
	"sigs.k8s.io/external-dns/provider"
	"sigs.k8s.io/external-dns/provider/rfc2136"
)

// Select returns the provider of RFC 2136, whatever the flags ask for.
func Select(ctx context.Context, cfg *externaldns.Config, filter *endpoint.DomainFilter) (provider.Provider, error) {
	made, err := rfc2136.New(ctx, cfg, filter)
	if err != nil {
		return nil, err
	}
	return newAliasNormalizingMiddleware(made), nil
}
