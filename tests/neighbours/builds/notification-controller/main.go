// The part of notification-controller that serves Receivers. Alerts and their providers are left out.
package main

import (
	"os"

	flag "github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/fluxcd/pkg/runtime/client"
	helper "github.com/fluxcd/pkg/runtime/controller"
	feathelper "github.com/fluxcd/pkg/runtime/features"
	"github.com/fluxcd/pkg/runtime/logger"
	"github.com/fluxcd/pkg/runtime/metrics"
	"github.com/prometheus/client_golang/prometheus"
	prommetrics "github.com/slok/go-http-metrics/metrics/prometheus"
	"github.com/slok/go-http-metrics/middleware"

	apiv1 "github.com/fluxcd/notification-controller/api/v1"
	"github.com/fluxcd/notification-controller/internal/controller"
	"github.com/fluxcd/notification-controller/internal/features"
	"github.com/fluxcd/notification-controller/internal/server"
)

func must(err error) {
	if err != nil {
		ctrl.Log.Error(err, "notification-controller ends")
		os.Exit(1)
	}
}

func main() {
	var (
		metricsAddr, receiverAddr string
		clients                   client.Options
		logs                      logger.Options
		rates                     helper.RateLimiterOptions
		gates                     feathelper.FeatureGates
	)
	flag.StringVar(&metricsAddr, "metrics-addr", ":8080", "address of the metrics")
	flag.StringVar(&receiverAddr, "receiverAddr", ":9292", "address of the receiver")
	for _, options := range []interface{ BindFlags(*flag.FlagSet) }{&clients, &logs, &rates, &gates} {
		options.BindFlags(flag.CommandLine)
	}
	flag.Parse()
	logger.SetLogger(logger.NewLogger(logs))
	must(gates.WithLogger(ctrl.Log).SupportedFeatures(features.FeatureGates()))

	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	must(apiv1.AddToScheme(scheme))
	uncached := []ctrlclient.Object{&corev1.Secret{}, &corev1.ConfigMap{}}
	manager, err := ctrl.NewManager(client.GetConfigOrDie(clients), ctrl.Options{
		Scheme:  scheme,
		Logger:  ctrl.Log,
		Metrics: metricsserver.Options{BindAddress: metricsAddr},
		Client:  ctrlclient.Options{Cache: &ctrlclient.CacheOptions{DisableFor: uncached}},
	})
	must(err)
	name := "notification-controller"
	reconciler := controller.ReceiverReconciler{
		Client:         manager.GetClient(),
		ControllerName: name,
		Metrics:        helper.NewMetrics(manager, metrics.MustMakeRecorder(), apiv1.NotificationFinalizer),
		EventRecorder:  manager.GetEventRecorderFor(name),
	}
	must(reconciler.SetupWithManager(manager, controller.ReceiverReconcilerOptions{
		RateLimiter: helper.GetRateLimiter(rates),
	}))
	ctx := ctrl.SetupSignalHandler()
	receiver := server.NewReceiverServer(receiverAddr, ctrl.Log, manager.GetClient(), false, false)
	recorder := prommetrics.NewRecorder(prommetrics.Config{Registry: prometheus.NewRegistry()})
	go receiver.ListenAndServe(ctx.Done(), middleware.New(middleware.Config{Recorder: recorder}))
	must(manager.Start(ctx))
}
