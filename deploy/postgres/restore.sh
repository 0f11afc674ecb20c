#!/bin/bash
# Makes the database `waybill` of a dump in /backup, over the socket of Postgres; docker-compose.yml runs it. docs/guides/backup.md
# A database with a registry in it keeps what it has, under the name waybill_<time>; while somebody works in it, nothing is done.
#
# Environment: DUMP, the name of a dump in /backup; the newest one unless given.
set -euo pipefail
shopt -s nullglob
dumps=(/backup/database-*.dump)
dump=${DUMP:+/backup/$DUMP}
[ -n "$dump" ] || [ ${#dumps[@]} = 0 ] || dump=${dumps[-1]}
if [ ! -f "$dump" ]; then
  echo "there is no dump ${dump:-database-<time>.dump} in /backup; expected one that the service backup made" >&2
  exit 1
fi
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --username postgres --dbname postgres "$@"; }

busy() { echo 'stop the registry first: docker compose stop nginx gateway blobs manifests tokens relay' >&2; exit 1; }
if [ "$(sql --command "SELECT count(*) FROM pg_database WHERE datname = 'waybill'")" = 1 ]; then
  if [ "$(sql --dbname waybill --command "SELECT count(*) FROM pg_namespace WHERE nspname = 'es'")" = 0 ]; then
    sql --command 'DROP DATABASE waybill' || busy
  else
    before="waybill_$(date --utc +%Y%m%dt%H%M%S)"
    sql --command "ALTER DATABASE waybill RENAME TO $before" || busy
    echo "what was in the database is in $before"
  fi
fi
sql --command 'CREATE DATABASE waybill OWNER waybill'
pg_restore --exit-on-error --no-owner --no-privileges --username waybill --dbname waybill "$dump"
echo "the database is that of $dump"
