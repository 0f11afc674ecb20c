import { randomUUID } from 'node:crypto';
import { RegistryClient, type RegistryUnderTest } from '@waybill/testing';

/** What a test of the protocol gets. */
export interface RegistryUse {
  readonly client: RegistryClient;
  readonly baseUrl: string;
  /** A name that no other test uses; nothing was pushed to it. */
  readonly repository: string;
  /** A second one. */
  readonly otherRepository: string;
  readonly registry: RegistryUnderTest;
}

/** Declares a test; `promise` says what holds when it passes. The registry's logs of its time are printed when it fails. */
export type RegistryTest = (promise: string, body: (use: RegistryUse) => Promise<void>) => void;

/** `registry` is asked for when a test runs: at the time of declaration nothing was started yet. */
export function registryTest(registry: () => RegistryUnderTest): RegistryTest {
  return (promise, body) => {
    it(promise, async () => {
      const running = registry();
      const client = new RegistryClient(running.baseUrl, running.headers);
      const logged = running.logs().length;
      const name = `e2e/${randomUUID().slice(0, 13)}`;
      try {
        await body({ client, baseUrl: running.baseUrl, repository: `${name}/one`, otherRepository: `${name}/two`, registry: running });
      } catch (error) {
        const logs = running.logs().slice(logged);
        if (logs !== '') process.stderr.write(`--- the registry's logs during "${promise}" ---\n${logs.slice(-8000)}\n`);
        throw error;
      } finally {
        client.close();
      }
    });
  };
}
