package controllers

import (
	"errors"

	"github.com/go-kit/log"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// FRRK8sReconciler is the speaker's alone: the controller, which allocates, never makes one. It is
// left out, since the module that it is written against (frr-k8s 0.0.27) cannot be had here.
type FRRK8sReconciler struct {
	client.Client
	Logger          log.Logger
	Scheme          *runtime.Scheme
	NodeName        string
	FRRK8sNamespace string
}

// SetupWithManager returns an error.
func (*FRRK8sReconciler) SetupWithManager(ctrl.Manager) error {
	return errors.New("this controller is built without frr-k8s")
}

// UpdateConfig does nothing.
func (*FRRK8sReconciler) UpdateConfig(any) {}
