/** A running registry in some topology, as the protocol suite and the clients see it. */
export interface RegistryUnderTest {
  /** `http://host:port` without a path. */
  readonly baseUrl: string;
  /** Of every request of the protocol suite, where it asks for a login. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Everything that its processes wrote so far; printed when a test fails. */
  logs(): string;
  /** Ends its processes and removes its data. Throws when a process did not end by itself. */
  stop(): Promise<void>;
}

/** Starts one. Called once per suite. */
export type StartRegistry = () => Promise<RegistryUnderTest>;
