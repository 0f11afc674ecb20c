import { stopServer } from './postgres-server.js';

/** Runs once after all specs. jest wants a default export here. */
export default async function teardown(): Promise<void> {
  await stopServer();
}
