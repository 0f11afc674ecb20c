import { createHmac, randomBytes } from 'node:crypto';
import type { Attempts } from './attempts.js';
import { IdentityProvider } from './identity-provider.js';
import type { Attempt, Identity } from './identity-provider.js';
import { parseSecret } from './secret.js';

/**
 * Any provider, with guessing slowed down. The only place that does it, so that no adapter has to. Where a client sends its secret with each of many requests at a
 * time, they are one attempt: the same guess tells nobody more the second time.
 */
export class SlowedIdentityProvider extends IdentityProvider {
  private readonly underWay = new Map<string, Promise<Identity | undefined>>();
  private readonly key = randomBytes(32);

  constructor(private readonly provider: IdentityProvider, private readonly attempts: Attempts) {
    super();
  }

  identify(attempt: Attempt): Promise<Identity | undefined> {
    const known = this.provider.recall(attempt);
    if (known !== undefined) return Promise.resolve(known);
    const name = createHmac('sha256', this.key).update(JSON.stringify([attempt.login, attempt.secret, attempt.address])).digest('base64');
    const earlier = this.underWay.get(name);
    if (earlier !== undefined) return earlier;
    const answer = this.attempts.run(attempt.login, attempt.address, parseSecret(attempt.secret) === undefined, () => this.provider.identify(attempt)).finally(() => this.underWay.delete(name));
    this.underWay.set(name, answer);
    return answer;
  }

  override recall(attempt: Attempt): Identity | undefined {
    return this.provider.recall(attempt);
  }
}
