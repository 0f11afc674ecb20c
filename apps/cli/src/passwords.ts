import { misused } from './exit-code.js';
import type { Session } from './session.js';

/** A password for somebody: from stdin with --password-stdin, else whoever is there types it twice. @returns undefined where there is none, and may be none */
export async function readNewPassword(session: Session, need: 'needed' | 'optional'): Promise<string | undefined> {
  const { terminal } = session;
  if (session.has('password-stdin')) return terminal.readInput();
  if (!terminal.isInteractive) {
    if (need === 'optional') return undefined;
    throw misused('a password is needed: give it on stdin with --password-stdin');
  }
  const password = await terminal.ask(need === 'optional' ? 'Password (none: just press Enter)' : 'New password', 'hidden');
  if (password === '' && need === 'optional') return undefined;
  if ((await terminal.ask('The same again', 'hidden')) !== password) throw misused('the two differ');
  return password;
}
