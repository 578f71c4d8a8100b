# shellcheck shell=bash
# What the scripts in this folder share: the versions that they install, how they speak, how they say what is missing,
# and the plan that they print instead of acting. Bash 3.2, which macOS has, is enough.
#
# What seems unused here is used there.
# shellcheck disable=SC2034

# The node of the cluster: Kubernetes 1.36, with the kind that goes with it.
readonly NODE_IMAGE="kindest/node:v1.36.1@sha256:3489c7674813ba5d8b1a9977baea8a6e553784dab7b84759d1014dbd78f7ebd5"
readonly KEDA_VERSION=2.20.2
readonly METRICS_SERVER_VERSION=3.13.1
readonly TRAEFIK_VERSION=41.1.1

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
here=$root/deploy/kind
chart=$root/deploy/helm/taskyard

# What the environment may set.
release=${TASKYARD_RELEASE:-taskyard}
namespace=${TASKYARD_NAMESPACE:-taskyard}
preset=${TASKYARD_PRESET:-dev}
cluster=${TASKYARD_CLUSTER:-taskyard}
platform=${TASKYARD_PLATFORM:-}
plan=${TASKYARD_PLAN:-}

export HELM_NAMESPACE=$namespace

say() { printf '== %s\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# The comment at the head of the script that runs.
help() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p;}' "$0"; }

# Run a command that changes something; or, with --plan, print it.
run() {
    if [[ -z $plan ]]; then
        "$@"
    else
        local word line=""
        for word in "$@"; do
            [[ $word =~ ^[A-Za-z0-9_./:=@,{}-]+$ ]] || word=$(printf '%q' "$word")
            line="$line $word"
        done
        printf '%s\n' "${line# }"
    fi
}

# Ask something of what is there already. A plan is that for a machine with nothing on it.
there() { [[ -z $plan ]] && "$@" >/dev/null 2>&1; }

missing=""

# needs TOOL HOW-TO-GET-IT; a function of the same name does not count.
needs() { type -P "$1" >/dev/null || missing="$missing"$'\n'"  $1: $2"; }

needs_kubectl_and_helm() {
    needs kubectl "https://kubernetes.io/docs/tasks/tools/ (macOS: brew install kubectl)"
    needs helm "version 3.14 or later, https://helm.sh/docs/intro/install/ (macOS: brew install helm)"
}

needs_docker() {
    needs docker "https://docs.docker.com/engine/install/, with the plug-in compose"
    # Only where it is there: else its absence has been said.
    if type -P docker >/dev/null && ! there docker info; then
        [[ -n $plan ]] || missing="$missing"$'\n'"  docker: it does not answer; start it, or add yourself to its group"
    fi
}

needs_platform() {
    case $platform in
    kind) needs kind "version 0.32 or later, https://kind.sigs.k8s.io/docs/user/quick-start/ (macOS: brew install kind)" ;;
    minikube) needs minikube "https://minikube.sigs.k8s.io/docs/start/ (macOS: brew install minikube)" ;;
    "") ;;
    *) fail "no such platform: $platform (kind, minikube)" ;;
    esac
}

# Say all that is missing at once, and end; a plan goes on.
check_needs() {
    [[ -n $missing ]] || return 0
    printf '%s: missing on this machine:%s\n' "${0##*/}" "$missing" >&2
    [[ -n $plan ]] || exit 1
}

# The cluster that is meant, whatever kubectl is set to; without a platform, the one that kubectl is set to.
choose_context() {
    case $platform in
    kind) context=kind-$cluster ;;
    minikube) context=$cluster ;;
    *) context="" ;;
    esac
}
context=""

kubectl() { command kubectl ${context:+--context "$context"} "$@"; }

helm() { command helm ${context:+--kube-context "$context"} "$@"; }

check_cluster() {
    [[ -n $plan ]] || kubectl version >/dev/null 2>&1 ||
        fail "no cluster answers: set KUBECONFIG, or make one (make kind-up)"
}
