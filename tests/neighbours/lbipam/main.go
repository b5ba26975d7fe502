// Runs the LB-IPAM of Cilium against an API server, with nothing else of the operator.
//
// operator/k8s is not imported, since it needs a module that the Go proxy refuses. The two
// resources that LB-IPAM watches are made here.
package main

import (
	"log/slog"
	"os"

	"github.com/cilium/hive/cell"
	"github.com/spf13/pflag"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"

	"github.com/cilium/cilium/operator/pkg/lbipam"
	"github.com/cilium/cilium/pkg/hive"
	ciliumv2 "github.com/cilium/cilium/pkg/k8s/apis/cilium.io/v2"
	"github.com/cilium/cilium/pkg/k8s/client"
	"github.com/cilium/cilium/pkg/k8s/resource"
	slimv1 "github.com/cilium/cilium/pkg/k8s/slim/k8s/api/core/v1"
	"github.com/cilium/cilium/pkg/k8s/utils"
	"github.com/cilium/cilium/pkg/option"
)

func services(lifecycle cell.Lifecycle, clients client.Clientset) resource.Resource[*slimv1.Service] {
	return resource.New[*slimv1.Service](
		lifecycle,
		utils.ListerWatcherFromTyped[*slimv1.ServiceList](clients.Slim().CoreV1().Services("")),
		noMetrics(),
		resource.WithIndexers(cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc}),
	)
}

func pools(lifecycle cell.Lifecycle, clients client.Clientset) resource.Resource[*ciliumv2.CiliumLoadBalancerIPPool] {
	return resource.New[*ciliumv2.CiliumLoadBalancerIPPool](
		lifecycle,
		utils.ListerWatcherFromTyped(clients.CiliumV2().CiliumLoadBalancerIPPools()),
		noMetrics(),
	)
}

func noMetrics() workqueue.MetricsProvider { return nil }

func main() {
	option.Config.EnableIPv4, option.Config.EnableIPv6 = true, true
	operator := hive.New(
		client.Cell,
		cell.Provide(services, pools, func() *option.DaemonConfig { return option.Config }),
		lbipam.Cell,
	)
	operator.RegisterFlags(pflag.CommandLine)
	pflag.Parse()
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	if err := operator.Run(logger); err != nil {
		logger.Error("LB-IPAM", "error", err)
		os.Exit(1)
	}
}
