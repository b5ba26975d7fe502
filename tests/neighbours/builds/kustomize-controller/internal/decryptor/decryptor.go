// Package decryptor decrypts nothing here: SOPS and the key services of clouds are left out.
package decryptor

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/kustomize/api/resource"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/cache"
)

// Option has no effect.
type Option func(*Decryptor)

// Decryptor refuses a Kustomization that asks for decryption.
type Decryptor struct{ asked bool }

// WithRoot has no effect.
func WithRoot(string) Option { return func(*Decryptor) {} }

// WithTokenCache has no effect.
func WithTokenCache(cache.TokenCache) Option { return func(*Decryptor) {} }

// WithSOPSAgeSecret has no effect.
func WithSOPSAgeSecret(string, string) Option { return func(*Decryptor) {} }

// WithVaultConfigMap has no effect.
func WithVaultConfigMap(string, string) Option { return func(*Decryptor) {} }

// New returns a Decryptor, and nothing to clean up.
func New(_ client.Client, made *kustomizev1.Kustomization, _ ...Option) (*Decryptor, func(), error) {
	return &Decryptor{asked: made.Spec.Decryption != nil}, func() {}, nil
}

// ImportKeys returns an error where decryption is asked for.
func (d *Decryptor) ImportKeys(context.Context) error {
	if d.asked {
		return errors.New("built without SOPS")
	}
	return nil
}

// SetAuthOptions does nothing.
func (*Decryptor) SetAuthOptions(context.Context) {}

// DecryptSources does nothing.
func (*Decryptor) DecryptSources(string) error { return nil }

// DecryptResource leaves a resource as it is.
func (*Decryptor) DecryptResource(*resource.Resource) (*resource.Resource, error) { return nil, nil }

// IsEncryptedSecret returns false.
func IsEncryptedSecret(*unstructured.Unstructured) bool { return false }

// IsDecryptionDisabled returns false.
func IsDecryptionDisabled(map[string]string) bool { return false }
