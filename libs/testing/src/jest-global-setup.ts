import { SERVER_VARIABLE, serverUrl } from './postgres-server.js';

/** Runs once before all specs. The workers inherit the variable. jest wants a default export here. */
export default async function setup(): Promise<void> {
  process.env[SERVER_VARIABLE] = await serverUrl();
}
