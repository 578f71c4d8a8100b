#!/bin/sh
# Before a node of a cluster ends: waits until the queues do without it, then hands over what it leads.
set -u

# Gone from DNS with its Service: the whole cluster is being removed, and there is nothing to wait for.
removed() {
    ! getent hosts "${RABBITMQ_NODENAME#*@}" > /dev/null
}

waited=0
until removed || rabbitmq-upgrade --quiet await_online_quorum_plus_one --timeout 10; do
    waited=$((waited + 10))
    [ "$waited" -lt "$QUORUM_WAIT_S" ] || break
done
removed || rabbitmq-upgrade --quiet drain --timeout "$DRAIN_S" || true
