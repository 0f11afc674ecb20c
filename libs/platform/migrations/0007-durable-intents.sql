-- A reserved key is what an upload without a row is known by (ADR 0010): a crash of the database must not forget it while the process that reserved it
-- lives on. One durable commit serves 64 small blobs.
CREATE OR REPLACE FUNCTION reg.reserve_objects_v1(p_keys uuid[]) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO reg.object (storage_key, due_at) SELECT k, clock_timestamp() + interval '1 day' FROM unnest(p_keys) k;
END $$;
