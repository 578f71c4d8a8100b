# Runs before PostgreSQL in each pod, in PostgreSQL's image. Leaves behind a database that has
#   the roles postgres and taskyard, and taskyard_<part> for each of PARTS, with the passwords of the Secret: whoever
#   changes one there starts the pod anew. What the parts' roles may do, `taskyard migrate` says
#   the database taskyard
#   the role metrics, where METRICS is true, with a password of its own in /run/metrics/password
# Making it the first time can be interrupted at any moment: the data get their name when they are complete.
# What comes before this, say, fail and secret among it, is templates/_prepare.tpl of the whole chart.

root=/var/lib/postgresql
major=$PG_MAJOR

# Data that this image does not read: beside them it would begin an empty database.
refuse_other_data() {
    for file in "$root"/*/docker/PG_VERSION "$root"/data/PG_VERSION "$root"/data/pgdata/PG_VERSION; do
        [ -s "$file" ] || continue
        there=$(cat "$file")
        [ "$file" != "$PGDATA/PG_VERSION" ] || [ "$there" != "$major" ] || continue
        fail "this volume has data of PostgreSQL $there in ${file%/PG_VERSION}" \
            "and this image, of PostgreSQL $major, uses $PGDATA; nothing was touched" \
            "to go on as before: set postgresql.image.tag to $there.x" \
            "to move to $major: dump with $there, restore with $major (docs/backup.md), then move the old folder away" \
            'whoever knows better sets postgresql.upgradeGuard: false'
    done
}

make_data() {
    say "making the database in $PGDATA"
    # What an interrupted start left.
    rm -rf "$PGDATA.new"
    mkdir -p "${PGDATA%/*}"
    # C.UTF-8 of PostgreSQL itself: the order of text, and with it indexes, do not depend on the image's C library.
    # Huge pages, where a node has them and the pod no share of them, end initdb by a signal.
    initdb --pgdata "$PGDATA.new" --username postgres --auth-local peer --auth-host scram-sha-256 \
        --encoding UTF8 --locale-provider builtin --builtin-locale C.UTF-8 --locale C.UTF-8 --data-checksums \
        --set huge_pages=off > /tmp/initdb.log 2>&1 || {
        cat /tmp/initdb.log >&2
        fail 'initdb failed'
    }
    mv "$PGDATA.new" "$PGDATA"
    sync
}

# single DATABASE: runs the lines of standard input, a statement each, without a server and before anyone can connect.
# Passwords must not be logged with a statement that fails or is slow.
single() {
    postgres --single -D "$PGDATA" -c config_file=/etc/postgresql/postgresql.conf -c shared_buffers=16MB \
        -c log_min_error_statement=panic -c log_min_duration_statement=-1 -c log_checkpoints=off \
        "$1" > /tmp/single.log 2>&1 || {
        cat /tmp/single.log >&2
        fail 'the database does not start'
    }
    if grep -Eq '(ERROR|FATAL|PANIC):' /tmp/single.log; then
        cat /tmp/single.log >&2
        fail 'the roles could not be set'
    fi
}

# role NAME PASSWORD: that there is one, who may log in with it.
role() {
    printf '%s\n' \
        "DO \$\$BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '$1') THEN CREATE ROLE $1; END IF; END\$\$" \
        "ALTER ROLE $1 LOGIN PASSWORD '$2'"
}

# The logins of the parts. One whose password is not in the Secret, as it was made for a version without them, is left
# out: that part waits, and nobody who is served now is held up.
part_roles() {
    for part in $PARTS; do
        if [ -e "/secrets/$part-password" ]; then
            password=$(secret "$part-password")
            role "taskyard_$part" "$password"
        else
            say "the Secret $SECRET_NAME has no key '$part-password': no login taskyard_$part"
        fi
    done
}

metrics_role() {
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    printf %s "$password" > /run/metrics/password
    chmod 440 /run/metrics/password
    role metrics "$password"
    printf '%s\n' 'ALTER ROLE metrics CONNECTION LIMIT 5' 'GRANT pg_monitor TO metrics'
}

set_roles() {
    {
        role postgres "$superuser_password"
        role taskyard "$owner_password"
        printf '%s\n' "$part_logins"
        [ "$METRICS" != true ] || metrics_role
        printf '%s\n' 'CREATE EXTENSION IF NOT EXISTS pg_stat_statements' \
            "SELECT 'there' FROM pg_database WHERE datname = 'taskyard'"
    } | single postgres
    grep -q '"there"' /tmp/single.log || echo 'CREATE DATABASE taskyard OWNER taskyard' | single postgres
}

superuser_password=$(secret postgres-password)
owner_password=$(secret password)
part_logins=$(part_roles)
[ "$UPGRADE_GUARD" != true ] || refuse_other_data
[ -s "$PGDATA/PG_VERSION" ] || make_data
set_roles
