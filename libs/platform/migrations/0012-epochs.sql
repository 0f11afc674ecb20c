-- Which epoch a position belongs to (ADR 0018): that of the last row whose first_seq it has reached. A new epoch begins under the lock of es.sealer,
-- whose last_seq and epoch every sealer reads under the same lock: so a row here says of each number what the sealer that gave it knew, also where
-- that sealer is of the release before. Nothing is written for an event, and es.log stays as it is however large it is.
CREATE TABLE es.epoch (
  epoch     int PRIMARY KEY,
  first_seq bigint NOT NULL
);
INSERT INTO es.epoch (epoch, first_seq) SELECT epoch, 1 FROM es.sealer WHERE id = 1;
REVOKE ALL ON es.epoch FROM PUBLIC;
