#!/bin/sh
# Enables RabbitMQ's feature flags once all nodes run this image's version: a cluster of two versions cannot have those
# of the newer one. Started anew by its Job until it succeeds.
set -eu
umask 077

cat /secrets/erlang-cookie > "$HOME/.erlang.cookie"
for plugin in /opt/rabbitmq/plugins/rabbit-[0-9]*; do
    version=${plugin##*/rabbit-}
    version=${version%.ez}
done

upgraded() {
    rabbitmqctl --quiet --longnames --node "$NODE" cluster_status --formatter json 2> /dev/null \
        | grep -o "\"rabbitmq_version\": *\"$version\"" | wc -l
}

until [ "$(upgraded)" -ge "$NODES" ]; do
    echo "waiting for $NODES nodes of RabbitMQ $version" >&2
    sleep 10
done
rabbitmqctl --quiet --longnames --node "$NODE" enable_feature_flag all
