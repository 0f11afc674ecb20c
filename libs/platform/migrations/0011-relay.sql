-- What the relay to Kafka has sent, beside its checkpoint in es.consumer and moved in the same transaction: the last seq that went to each
-- partition of its topic. It is the header prevseq of the next message there, by which a reader sees that it missed nothing.
CREATE TABLE es.relay_partition (
  relay text NOT NULL,             -- the name of the consumer
  partition int NOT NULL,
  seq bigint NOT NULL,
  PRIMARY KEY (relay, partition)
);
