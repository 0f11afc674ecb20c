#!/bin/bash
# Makes the login `waybill` and its database: it owns the database and, from the set-up step on, the schemas; it may make logins for the services; it is no
# superuser. Functions of the schemas run with its rights, whoever calls them.
#
# docker-compose.yml runs it at every `up`, beside Postgres and over its socket, where the superuser needs no password; afterwards it has none, so nobody is
# superuser over the network. It changes nothing that is as it should be, and goes on where it was ended. Of a volume of an earlier release, whose owner
# was the superuser, it makes one like that.
#
# Environment: OWNER_PASSWORD, which `waybill` has from then on.
set -euo pipefail
: "${OWNER_PASSWORD:?is not set; expected the password of the login waybill}"

# $1: the superuser, $2: the database; the statements are read from the input
sql() { psql --no-psqlrc --quiet --tuples-only --no-align --set ON_ERROR_STOP=1 --username "$1" --dbname "$2"; }

if psql --no-psqlrc --quiet --username waybill --dbname postgres --command 'SELECT 1' >/dev/null 2>&1; then
  sql waybill postgres <<'SQL'
SELECT rolsuper AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'postgres') AS missing FROM pg_roles WHERE rolname = 'waybill' \gset
\if :missing
  CREATE ROLE postgres LOGIN SUPERUSER;
\endif
SQL
fi

sql postgres postgres <<'SQL'
-- no statement with the password in the log of the server
SET log_statement = 'none';
SET log_min_error_statement = 'panic';
\getenv password OWNER_PASSWORD
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill' AND rolsuper) AS super \gset
\if :super
  -- the role that made the server stays superuser for ever, under another name
  ALTER ROLE waybill RENAME TO waybill_before;
  ALTER ROLE waybill_before NOLOGIN PASSWORD NULL;
\endif
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'waybill') AS missing \gset
\if :missing
  CREATE ROLE waybill;
\endif
ALTER ROLE waybill LOGIN CREATEROLE NOSUPERUSER NOCREATEDB NOREPLICATION NOBYPASSRLS PASSWORD :'password';
SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = 'waybill') AS missing \gset
\if :missing
  CREATE DATABASE waybill OWNER waybill;
\endif
ALTER DATABASE waybill OWNER TO waybill;
SQL

sql postgres waybill <<'SQL'
SET lock_timeout = '60s';
SET client_min_messages = 'warning';
-- what the owner of before has in this database, and the logins of the services, which the owner must be able to change
DO $$
DECLARE
  statement text;
BEGIN
  FOR statement IN
    WITH before AS (SELECT oid FROM pg_roles WHERE rolname = 'waybill_before'),
      schema AS (SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema')
    SELECT format('ALTER SCHEMA %I OWNER TO waybill', nspname) FROM pg_namespace WHERE nspowner IN (TABLE before) AND oid IN (TABLE schema)
    UNION ALL SELECT format('ALTER %s %s OWNER TO waybill', CASE relkind WHEN 'S' THEN 'SEQUENCE' WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
      FROM pg_class c WHERE relowner IN (TABLE before) AND relnamespace IN (TABLE schema) AND relkind IN ('r', 'p', 'S', 'v')
        -- a sequence of a column goes with its table
        AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i') AND relkind = 'S')
    UNION ALL SELECT format('ALTER ROUTINE %s OWNER TO waybill', oid::regprocedure) FROM pg_proc WHERE proowner IN (TABLE before) AND pronamespace IN (TABLE schema)
    UNION ALL SELECT format('GRANT %I TO waybill WITH ADMIN TRUE, INHERIT FALSE, SET FALSE', r.rolname) FROM pg_roles r
      WHERE r.rolname ~ '^waybill_' AND NOT r.rolsuper
        AND NOT EXISTS (SELECT FROM pg_auth_members m WHERE m.roleid = r.oid AND m.member = 'waybill'::regrole AND m.admin_option)
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
ALTER ROLE postgres PASSWORD NULL;
SQL
echo 'waybill owns its database and is no superuser; no superuser has a password'
