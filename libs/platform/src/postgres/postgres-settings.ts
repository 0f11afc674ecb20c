/**
 * Settings of the embedded server, given on its command line at every start so that an old cluster gets the new ones.
 * fsync, full_page_writes and synchronous_commit keep their defaults (on): what was acknowledged survives the loss of power.
 */
export const EMBEDDED_SETTINGS: Readonly<Record<string, string | number>> = {
  // Unix socket only. Local trust makes whoever reaches the socket superuser, so its directory is 0700 (postgres-process.ts).
  listen_addresses: '',
  unix_socket_permissions: '0700',

  // Footprint: only touched pages count; the page cache of the system holds the rest.
  shared_buffers: '32MB',
  max_connections: 60,
  io_method: 'sync',
  max_worker_processes: 0,
  max_parallel_workers_per_gather: 0,
  max_logical_replication_workers: 0,
  autovacuum_worker_slots: 2,
  autovacuum_max_workers: 2,
  huge_pages: 'off',

  // Cost per statement: short indexed statements, nothing to compile and no process titles to rewrite.
  jit: 'off',
  update_process_title: 'off',

  // Commits: no standby reads this log; checkpoints rarely, so that few whole pages go to the log, at the price of a longer recovery.
  wal_level: 'minimal',
  max_wal_senders: 0,
  wal_buffers: '2MB',
  checkpoint_timeout: '15min',
  max_wal_size: '512MB',
  min_wal_size: '128MB',

  // Log: only what concerns the server as a whole; failed statements are reported by whoever ran them.
  log_min_messages: 'log',
  log_checkpoints: 'off',
  log_line_prefix: '',
  timezone: 'UTC',
  log_timezone: 'UTC',
};
