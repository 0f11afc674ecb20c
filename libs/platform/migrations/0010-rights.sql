-- Rights (ADR 0015). In es and reg nobody may do anything but their owner and whoever rights/services.sql names.
REVOKE ALL ON SCHEMA es, reg FROM PUBLIC;
REVOKE ALL ON ALL TABLES IN SCHEMA es, reg FROM PUBLIC;
REVOKE ALL ON ALL SEQUENCES IN SCHEMA es, reg FROM PUBLIC;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA es, reg FROM PUBLIC;
-- Postgres gives every new function to everybody unless told otherwise, and only a default of the whole database can tell it.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- Up to which migration the services have their rights: written with them by the set-up step, read by a service before it begins.
CREATE TABLE public.waybill_rights (
  id        int PRIMARY KEY CHECK (id = 1),
  migration bigint NOT NULL
);

-- What ids of uploads are signed with. A function, so that the service that needs this secret cannot read another one that may stand beside it.
CREATE FUNCTION reg.upload_key_v1() RETURNS bytea LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  SELECT s.value FROM reg.secret s WHERE s.name = 'upload-id'
$$;
