// The part of source-controller that makes artifacts of GitRepositories. Helm, OCI and buckets are
// left out, since they need modules that cannot be had here.
package main

import (
	"os"
	"time"

	flag "github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	ctrlclient "sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	artcfg "github.com/fluxcd/pkg/artifact/config"
	artdigest "github.com/fluxcd/pkg/artifact/digest"
	artsrv "github.com/fluxcd/pkg/artifact/server"
	artstore "github.com/fluxcd/pkg/artifact/storage"
	"github.com/fluxcd/pkg/runtime/client"
	helper "github.com/fluxcd/pkg/runtime/controller"
	"github.com/fluxcd/pkg/runtime/events"
	feathelper "github.com/fluxcd/pkg/runtime/features"
	"github.com/fluxcd/pkg/runtime/jitter"
	"github.com/fluxcd/pkg/runtime/logger"
	"github.com/fluxcd/pkg/runtime/metrics"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/fluxcd/source-controller/internal/controller"
	"github.com/fluxcd/source-controller/internal/features"
)

const name = "source-controller"

func must(err error) {
	if err != nil {
		ctrl.Log.Error(err, "source-controller ends")
		os.Exit(1)
	}
}

func main() {
	var (
		metricsAddr, eventsAddr string
		requeueDependency       time.Duration
		artifacts               artcfg.Options
		clients                 client.Options
		logs                    logger.Options
		rates                   helper.RateLimiterOptions
		gates                   feathelper.FeatureGates
		jitters                 jitter.IntervalOptions
	)
	flag.StringVar(&metricsAddr, "metrics-addr", ":8080", "address of the metrics")
	flag.StringVar(&eventsAddr, "events-addr", "", "address of the receiver of events")
	flag.DurationVar(&requeueDependency, "requeue-dependency", 30*time.Second, "interval of failing dependencies")
	for _, options := range []interface{ BindFlags(*flag.FlagSet) }{&artifacts, &clients, &logs, &rates, &gates, &jitters} {
		options.BindFlags(flag.CommandLine)
	}
	flag.Parse()
	logger.SetLogger(logger.NewLogger(logs))
	must(gates.WithLogger(ctrl.Log).SupportedFeatures(features.FeatureGates()))
	must(jitters.SetGlobalJitter(nil))

	scheme := runtime.NewScheme()
	must(clientgoscheme.AddToScheme(scheme))
	must(sourcev1.AddToScheme(scheme))
	uncached := []ctrlclient.Object{&corev1.Secret{}, &corev1.ConfigMap{}}
	manager, err := ctrl.NewManager(client.GetConfigOrDie(clients), ctrl.Options{
		Scheme:  scheme,
		Logger:  ctrl.Log,
		Metrics: metricsserver.Options{BindAddress: metricsAddr},
		Client:  ctrlclient.Options{Cache: &ctrlclient.CacheOptions{DisableFor: uncached}},
	})
	must(err)
	algorithm, err := artdigest.AlgorithmForName(artifacts.ArtifactDigestAlgo)
	must(err)
	artdigest.Canonical = algorithm
	storage, err := artstore.New(&artifacts)
	must(err)
	recorder, err := events.NewRecorder(manager, ctrl.Log, eventsAddr, name)
	must(err)
	reconciler := controller.GitRepositoryReconciler{
		Client:         manager.GetClient(),
		EventRecorder:  recorder,
		Metrics:        helper.NewMetrics(manager, metrics.MustMakeRecorder(), sourcev1.SourceFinalizer),
		Storage:        storage,
		ControllerName: name,
	}
	must(reconciler.SetupWithManager(manager, controller.GitRepositoryReconcilerOptions{
		DependencyRequeueInterval: requeueDependency,
		RateLimiter:               helper.GetRateLimiter(rates),
	}))
	ctx := ctrl.SetupSignalHandler()
	go func() {
		<-manager.Elected()
		must(artsrv.Start(ctx, &artifacts))
	}()
	must(manager.Start(ctx))
}
