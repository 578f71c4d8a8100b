{{/*
taskyard.prepare: how the script begins that runs before a server, PostgreSQL or RabbitMQ, in the server's image. Its
subchart adds the rest, which may use `say`, `fail` and `secret`.
*/}}
{{- define "taskyard.prepare" -}}
#!/bin/sh
set -eu
umask 077
# Else what A-Z are is a matter of language.
export LC_ALL=C

say() {
    printf 'prepare: %s\n' "$@" >&2
}

fail() {
    say "$@"
    exit 1
}

# secret KEY: its value, which must fit into a URL, into SQL and into JSON as it is.
secret() {
    [ -r "/secrets/$1" ] || fail "the Secret $SECRET_NAME has no key '$1'"
    # With what follows the last line, which $() would take away: the parts get it too.
    value=$(cat "/secrets/$1" && printf .)
    value=${value%.}
    case $value in
    '') fail "the key '$1' of the Secret $SECRET_NAME is empty" ;;
    *[!A-Za-z0-9._~-]*)
        fail "the key '$1' of the Secret $SECRET_NAME has characters that a URL does not take as they are" \
            'allowed are A-Z a-z 0-9 . _ ~ -; change it, then start this pod anew'
        ;;
    esac
    printf %s "$value"
}
{{ end }}
