import type { Attempts } from './attempts.js';
import { IdentityProvider } from './identity-provider.js';
import type { Attempt, Identity } from './identity-provider.js';
import { parseSecret } from './secret.js';

/** Any provider, with guessing slowed down. The only place that does it, so that no adapter has to. */
export class SlowedIdentityProvider extends IdentityProvider {
  constructor(private readonly provider: IdentityProvider, private readonly attempts: Attempts) {
    super();
  }

  identify(attempt: Attempt): Promise<Identity | undefined> {
    return this.attempts.run(attempt.login, attempt.address, parseSecret(attempt.secret) === undefined, () => this.provider.identify(attempt));
  }
}
