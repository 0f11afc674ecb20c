/** What a process does. A process with several roles has the metrics of each. */
export const METRIC_ROLES = ['gateway', 'blobs', 'manifests', 'relay', 'tokens'] as const;
export type MetricRole = (typeof METRIC_ROLES)[number];

export interface MetricDefinition {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly help: string;
  readonly roles: readonly MetricRole[];
  readonly labels?: readonly string[];
  /** Where not every process of the role has it. */
  readonly onlyIf?: string;
  /** Of a histogram: the upper bounds, in seconds. */
  readonly bounds?: readonly number[];
}

const LOG: readonly MetricRole[] = ['blobs', 'manifests', 'relay', 'tokens'];
const ANSWERS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
/** No statement takes longer than five seconds (statement_timeout), nor waits longer than ten for a session. */
const STATEMENTS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 15] as const;

/**
 * Every metric there is. A process can expose no other name; docs/reference/metrics.md is written from this table, and the dashboard and the alert
 * rules of deploy/observability are held to it. A name is for ever: what others alert on cannot be renamed.
 */
export const METRICS = {
  waybill_build_info: { type: 'gauge', help: 'Always 1; what runs here.', roles: METRIC_ROLES, labels: ['version', 'node', 'roles'] },
  waybill_check_ok: { type: 'gauge', help: 'Whether a check of the readiness holds (1) or not (0), a second ago at most.', roles: METRIC_ROLES, labels: ['check'] },
  process_resident_memory_bytes: { type: 'gauge', help: 'Resident set size.', roles: METRIC_ROLES },
  process_start_time_seconds: { type: 'gauge', help: 'Start of the process, as Unix time.', roles: METRIC_ROLES },
  process_cpu_seconds_total: { type: 'counter', help: 'User and system time.', roles: METRIC_ROLES },
  nodejs_heap_used_bytes: { type: 'gauge', help: 'Live and dead objects in the heap.', roles: METRIC_ROLES },
  nodejs_heap_size_bytes: { type: 'gauge', help: 'Memory that the heap has taken.', roles: METRIC_ROLES },
  nodejs_external_memory_bytes: { type: 'gauge', help: 'Memory outside the heap that objects of the heap own, buffers included.', roles: METRIC_ROLES },
  nodejs_event_loop_delay_seconds: { type: 'gauge', help: 'Lag of the event loop since the last scrape.', roles: METRIC_ROLES, labels: ['quantile'] },
  nodejs_event_loop_busy_seconds_total: { type: 'counter', help: 'Time in which the event loop did not wait; its rate is the load, 1 at most.', roles: METRIC_ROLES },
  nodejs_gc_pause_seconds_total: { type: 'counter', help: 'Time in which the garbage collector let nothing else run.', roles: METRIC_ROLES, labels: ['kind'] },
  nodejs_gc_pauses_total: { type: 'counter', help: 'Runs of the garbage collector.', roles: METRIC_ROLES, labels: ['kind'] },
  waybill_http_requests_total: { type: 'counter', help: 'Requests below /v2/, and to the endpoints of tokens beside it, by kind and status.', roles: METRIC_ROLES, labels: ['kind', 'code'] },
  waybill_http_request_seconds: { type: 'histogram', help: 'Time until the handler of such a request was done.', roles: METRIC_ROLES, labels: ['kind'], bounds: ANSWERS },
  waybill_http_client_errors_total: { type: 'counter', help: 'Connections refused or cut because of what the client did.', roles: METRIC_ROLES, labels: ['reason'] },
  waybill_http_open_connections: { type: 'gauge', help: 'Connections of the main address.', roles: METRIC_ROLES },
  waybill_http_open_requests: { type: 'gauge', help: 'Requests whose answer is not sent yet.', roles: METRIC_ROLES },
  waybill_http_bytes_received_total: { type: 'counter', help: 'Bytes on the wire of the main address, heads included.', roles: METRIC_ROLES },
  waybill_http_bytes_sent_total: { type: 'counter', help: 'Bytes on the wire of the main address, heads included.', roles: METRIC_ROLES },
  waybill_tls_reloads_total: { type: 'counter', help: 'Looks at the TLS files by what came of those that had changed: loaded, or refused at each look as long as they cannot be used.', roles: METRIC_ROLES, labels: ['outcome'], onlyIf: 'http.tls.certFile is set' },
  waybill_tls_certificate_expires_seconds: { type: 'gauge', help: 'When the certificate that is served ends, as Unix time.', roles: METRIC_ROLES, onlyIf: 'http.tls.certFile is set' },
  waybill_telemetry_spans_total: { type: 'counter', help: 'Spans by what became of them: exported, failed (the collector did not take them) or dropped (too many waited).', roles: METRIC_ROLES, labels: ['outcome'] },
  waybill_gateway_replicas: { type: 'gauge', help: 'Replicas of a service, by what the gateway knows of them.', roles: ['gateway'], labels: ['service', 'state'] },
  waybill_gateway_retries_total: { type: 'counter', help: 'Requests that went to another replica because the first one was not there.', roles: ['gateway'] },
  waybill_database_sessions: { type: 'gauge', help: 'Sessions of the pool, and callers that wait for one.', roles: LOG, labels: ['state'] },
  waybill_database_sessions_lost_total: { type: 'counter', help: 'Sessions that ended without being asked to.', roles: LOG },
  waybill_database_statement_seconds: { type: 'histogram', help: 'Time of a statement by its name, the wait for a session included.', roles: LOG, labels: ['statement'], bounds: STATEMENTS },
  waybill_database_failures_total: { type: 'counter', help: 'Statements that failed, refusals of their own functions included.', roles: LOG, labels: ['statement'] },
  waybill_storage_call_seconds: { type: 'histogram', help: 'Time of a call to the blob storage; of a read, until its last byte is handed out. Writes are told by the commit.', roles: ['blobs'], labels: ['operation'], bounds: ANSWERS },
  waybill_storage_failures_total: { type: 'counter', help: 'Calls to the blob storage that failed.', roles: ['blobs'], labels: ['operation'] },
  waybill_storage_bytes_total: { type: 'counter', help: 'Bytes that reads handed out and commits made readable.', roles: ['blobs'], labels: ['operation'] },
  waybill_upload_sessions: { type: 'gauge', help: 'Uploads on their way.', roles: ['blobs'] },
  waybill_audit_entries_lost_total: { type: 'counter', help: 'Entries of the audit that were given up because the database was away for too long.', roles: ['blobs', 'manifests', 'tokens'], onlyIf: 'auth.mode is not none' },
  waybill_log_last_seq: { type: 'gauge', help: 'The number of the last sealed event.', roles: ['relay'] },
  waybill_log_pending_seconds: { type: 'gauge', help: 'Age of the oldest event without a number.', roles: ['relay'] },
  waybill_log_seal_failures_total: { type: 'counter', help: 'Passes of the sealer that failed and were tried again.', roles: ['relay'] },
  waybill_log_odd_events_total: { type: 'counter', help: 'Events without canonical JSON that this process sealed by their text: no registry appends any.', roles: ['relay'] },
  waybill_relay_lag_events: { type: 'gauge', help: 'Sealed events that Kafka does not have yet.', roles: ['relay'], onlyIf: 'kafka.brokers is set' },
  waybill_relay_lag_seconds: { type: 'gauge', help: 'Age of the oldest sealed event that Kafka does not have yet.', roles: ['relay'], onlyIf: 'kafka.brokers is set' },
  waybill_relay_refused: { type: 'gauge', help: '1 while this process may not publish because the topics are not as they must be or have lost events; its log says what to do.', roles: ['relay'], onlyIf: 'kafka.brokers is set' },
  waybill_relay_published_total: { type: 'counter', help: 'Events that this process has published, repetitions included.', roles: ['relay'], onlyIf: 'kafka.brokers is set' },
  waybill_relay_failures_total: { type: 'counter', help: 'Failed attempts of this process to publish.', roles: ['relay'], onlyIf: 'kafka.brokers is set' },
  waybill_tokens_issued_total: { type: 'counter', help: 'Tokens by how their bearer was let in: anonymous, password (or a secret in its place), refresh_token or certificate.', roles: ['tokens'], labels: ['cause'], onlyIf: 'auth.mode is tokens' },
  waybill_tokens_refused_total: { type: 'counter', help: 'Requests for a token that got none, by the code of the answer. UNAUTHORIZED: the credentials were wrong.', roles: ['tokens'], labels: ['code'], onlyIf: 'auth.mode is tokens' },
} as const satisfies Readonly<Record<string, MetricDefinition>>;

export type MetricName = keyof typeof METRICS;
/** The names of one type of metric. */
export type MetricOf<T extends MetricDefinition['type']> = { [N in MetricName]: (typeof METRICS)[N]['type'] extends T ? N : never }[MetricName];

/** The table with the optional parts of each line. */
export function metricDefinition(name: MetricName): MetricDefinition {
  return METRICS[name];
}
