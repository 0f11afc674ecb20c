/** Whether this process can do its work. */
export interface HealthCheck {
  /** Told to whoever asks; no secret and no address. */
  readonly name: string;
  /** Milliseconds, at most CHECK_MS; that where it is not given. */
  readonly deadlineMs?: number;
  /** Rejects, or stays silent past its deadline, where the dependency is not usable. */
  check(): Promise<void>;
}

export interface Readiness {
  readonly status: 'ready' | 'failing' | 'stopping';
  /** By name; what is wrong is in the log, because anybody may ask. */
  readonly checks: Readonly<Record<string, 'ok' | 'failing'>>;
}

/** Milliseconds that a check may take, and so /readyz. Who asks for readiness has to wait longer, or takes what says that it fails for what says nothing. */
export const CHECK_MS = 2_000;
const CACHED_MS = 1_000;

/** Liveness and readiness. Checks run at most once a second, however many callers ask. */
export class Health {
  private stopping = false;
  private latest: Promise<Readiness> | undefined;
  private checkedAt = -Infinity;

  /** `now` in milliseconds. */
  constructor(
    private readonly checks: readonly HealthCheck[],
    private readonly onFailure: (name: string, reason: unknown) => void,
    private readonly now = (): number => performance.now(),
  ) {}

  /** From now on not ready: a load balancer sends nothing more here. */
  stop(): void {
    this.stopping = true;
  }

  async readiness(): Promise<Readiness> {
    if (this.stopping) return { status: 'stopping', checks: {} };
    const now = this.now();
    if (this.latest === undefined || now - this.checkedAt > CACHED_MS) {
      this.checkedAt = now;
      this.latest = this.run();
    }
    const readiness = await this.latest;
    return this.stopping ? { ...readiness, status: 'stopping' } : readiness;
  }

  private async run(): Promise<Readiness> {
    const results = await Promise.all(this.checks.map(async (check) => [check.name, await this.ask(check)] as const));
    return { status: results.every(([, result]) => result === 'ok') ? 'ready' : 'failing', checks: Object.fromEntries(results) };
  }

  private async ask(check: HealthCheck): Promise<'ok' | 'failing'> {
    try {
      await within(Math.min(check.deadlineMs ?? CHECK_MS, CHECK_MS), check.name, check.check());
      return 'ok';
    } catch (reason) {
      this.onFailure(check.name, reason);
      return 'failing';
    }
  }
}

/** The promise, or a rejection after `milliseconds`. */
export async function within<T>(milliseconds: number, name: string, promise: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${name} did not answer within ${milliseconds} ms`)), milliseconds);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
