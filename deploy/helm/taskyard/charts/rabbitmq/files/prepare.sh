# Runs before RabbitMQ in each pod, in RabbitMQ's image. Leaves behind:
#   $HOME/.erlang.cookie      which its owner alone may read, or Erlang refuses it
#   /definitions              what the server loads at every start: the topology, and the users with their passwords
# and the version noted beside the data, after checking that it may take over from the version noted there.
# What comes before this, say, fail and secret among it, is templates/_prepare.tpl of the whole chart.

# The next minor of the same major at most, and never back.
may_follow() {
    [ "${1%%.*}" = "${2%%.*}" ] || return 1
    step=$(($(minor "$2") - $(minor "$1")))
    [ "$step" -eq 0 ] || [ "$step" -eq 1 ]
}

minor() {
    rest=${1#*.}
    printf %s "${rest%%.*}"
}

check_version() {
    for plugin in /opt/rabbitmq/plugins/rabbit-[0-9]*; do
        new=${plugin##*/rabbit-}
        new=${new%.ez}
    done
    noted=/var/lib/rabbitmq/mnesia/.last-version
    if [ -s "$noted" ] && [ "$UPGRADE_GUARD" = true ]; then
        old=$(cat "$noted")
        may_follow "$old" "$new" || fail \
            "these data were last used by RabbitMQ $old; $new cannot take them over" \
            'RabbitMQ goes up one minor at a time, with all feature flags enabled before, and never back' \
            "set rabbitmq.image.tag to a version of ${old%.*}, or of the minor after it" \
            'whoever knows better sets rabbitmq.upgradeGuard: false'
    fi
    printf '%s\n' "$new" > "$noted"
}

# user NAME TAGS CONFIGURE WRITE READ, with the password of the key NAME-password; `-` stands for no tag. One whose
# password is not in the Secret, as it was made for a version without it, is left out: that part waits, the others go on.
users=''
permissions=''
user() {
    if ! [ -e "/secrets/$1-password" ]; then
        say "the Secret $SECRET_NAME has no key '$1-password': no user $1"
        return
    fi
    password=$(secret "$1-password")
    users="$users${users:+,}
    {\"name\": \"$1\", \"password\": \"$password\", \"tags\": \"${2#-}\"}"
    permissions="$permissions${permissions:+,}
    {\"user\": \"$1\", \"vhost\": \"/\", \"configure\": \"$3\", \"write\": \"$4\", \"read\": \"$5\"}"
}

write_definitions() {
    cp /topology/*.json /definitions/
    while read -r name tags configure write read; do
        case $name in
        '' | '#'*) ;;
        *) user "$name" "$tags" "$configure" "$write" "$read" ;;
        esac
    done < /etc/rabbitmq/users
    # The last file in order: the virtual host must be there before its permissions.
    printf '{\n  "users": [%s\n  ],\n  "permissions": [%s\n  ]\n}\n' "$users" "$permissions" > /definitions/users.json
}

# The node's own name appears in DNS a moment after its pod; RabbitMQ does not start without. Asked too early, DNS
# remembers for up to half a minute that there is no such name.
await_name() {
    host=${RABBITMQ_NODENAME#*@}
    sleep 2
    tries=0
    until getent hosts "$host" > /dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || fail "$host is not in DNS after two minutes; is there a headless Service?"
        sleep 1
    done
}

check_version
cookie=$(secret erlang-cookie)
printf %s "$cookie" > "$HOME/.erlang.cookie"
write_definitions
await_name
