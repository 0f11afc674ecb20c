#!/bin/bash
# Dumps the database `waybill` into /backup, over the socket of Postgres; docker-compose.yml runs it. docs/guides/backup.md
# The dump gets its name when it is whole. Nothing is deleted: what is old is for you to remove.
set -euo pipefail
umask 077
# of this run alone: two at a time would write into one file
new=$(mktemp /backup/database.XXXXXX.new)
trap 'rm -f "$new"' EXIT
pg_dump --format=custom --username waybill --dbname waybill --file "$new"
dump="/backup/database-$(date --utc +%Y%m%dT%H%M%SZ).dump"
mv "$new" "$dump"
echo "the database is in $dump ($(stat --format %s "$dump") bytes)"
