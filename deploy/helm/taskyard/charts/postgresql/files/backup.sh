#!/bin/sh
# Dumps the database into /backups, checks the dump, and removes all but the newest KEEP. A dump has its name only
# once it is whole and was read back.
set -eu
umask 077

name=taskyard-$(date -u +%Y%m%dT%H%M%SZ).dump
part=/backups/.$name.part
trap 'rm -f "$part"' EXIT

# What an interrupted one left.
rm -f /backups/.*.part
pg_dump --format=custom --compress="zstd:$LEVEL" --file="$part"

# Its table of contents, and every byte of its data.
tables=$(pg_restore --list "$part" | grep -c ' TABLE DATA ') || {
    echo "backup: $name has no tables in it" >&2
    exit 1
}
pg_restore --file=/dev/null "$part"
sync "$part"
mv "$part" "/backups/$name"
echo "backup: $name, $tables tables, $(stat -c %s "/backups/$name") bytes"

# By name, which is by time.
for dump in /backups/taskyard-*.dump; do echo "$dump"; done | sort -r | tail -n +$((KEEP + 1)) | while read -r old; do
    rm "$old"
    echo "backup: removed ${old##*/}"
done
