// Argo CD's application-controller and repo-server, as their packages have them: the name that the
// program is called by says which.
package main

import (
	"os"
	"path/filepath"

	"k8s.io/klog/v2"

	appcontroller "github.com/argoproj/argo-cd/v3/cmd/argocd-application-controller/commands"
	reposerver "github.com/argoproj/argo-cd/v3/cmd/argocd-repo-server/commands"
	"github.com/argoproj/argo-cd/v3/common"
	"github.com/argoproj/argo-cd/v3/util/log"
)

func main() {
	klog.SetLogger(log.NewLogrusLogger(log.NewWithCurrentConfig()))
	command := appcontroller.NewCommand()
	if filepath.Base(os.Args[0]) == common.CommandRepoServer {
		command = reposerver.NewCommand()
	}
	if command.Execute() != nil {
		os.Exit(1)
	}
}
