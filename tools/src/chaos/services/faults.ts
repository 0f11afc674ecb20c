import { setTimeout as sleep } from 'node:timers/promises';
import type { Dice } from '../dice.js';
import type { ServicesDeployment } from './deployment.js';
import { chooseWay, interrupt } from './links.js';
import type { Replica } from './replica.js';
import { pause, type Target } from './target.js';

/** Something that goes wrong and is mended. */
export interface Fault {
  /** `kill blobs 1 for 800 ms`. */
  readonly name: string;
  /** What it is done to: no two faults at a time on the same. */
  readonly on: readonly string[];
  /** Resolves when everything that was broken on purpose is whole again. Rejects where it does not come back. */
  run(): Promise<void>;
}

/** Each with the role whose process gets there. */
const FAILPOINTS = [
  ['blobs.after_object_write', 'blobs'], ['blobs.after_commit', 'blobs'], ['manifests.before_commit', 'manifests'], ['manifests.after_commit', 'manifests'],
  ['sealer.before_commit', 'relay'], ['sealer.after_commit', 'relay'], ['relay.after_publish', 'relay'], ['relay.before_checkpoint', 'relay'],
] as const;
const REACHED_MS = 45_000;

/** One of all that can go wrong, by the dice alone. */
export function chooseFault(dice: Dice, deployment: ServicesDeployment): Fault {
  const kind = dice.next();
  if (kind < 0.35) return killing(dice.pick(deployment.targets), dice.between(0, 2_000));
  if (kind < 0.55) return pausing(dice.pick(deployment.targets), dice.between(1_000, 8_000));
  if (kind < 0.65) return ending(dice.pick(deployment.targets.filter((target) => target.end !== undefined)), dice.between(0, 1_000));
  if (kind < 0.85) return interrupting(dice, deployment);
  return doom(dice, deployment);
}

function killing(target: Target, milliseconds: number): Fault {
  return {
    name: `kill ${target.name} for ${milliseconds} ms`,
    on: [target.name],
    run: async () => {
      await target.kill();
      await sleep(milliseconds);
      await target.start();
    },
  };
}

function pausing(target: Target, milliseconds: number): Fault {
  return { name: `stop all of ${target.name} for ${milliseconds} ms`, on: [target.name], run: () => pause(target, milliseconds) };
}

function ending(target: Target, milliseconds: number): Fault {
  return {
    name: `end ${target.name} in order for ${milliseconds} ms`,
    on: [target.name],
    run: async () => {
      await target.end?.();
      await sleep(milliseconds);
      await target.start();
    },
  };
}

function interrupting(dice: Dice, { parts }: ServicesDeployment): Fault {
  const [link, way, milliseconds] = [dice.pick(parts.links.all), chooseWay(dice), dice.between(1_000, 8_000)];
  return { name: `the way from ${link.name} ${way} for ${milliseconds} ms`, on: [link.name], run: () => interrupt(link, way, milliseconds) };
}

/** Of two relays only one works: the other is dead while the doomed one is to get to its failpoint. */
function doom(dice: Dice, deployment: ServicesDeployment): Fault {
  const [failpoint, role] = dice.pick(FAILPOINTS);
  const replicas = deployment.replicasOf(role);
  const doomed = dice.pick(replicas);
  const others = role === 'relay' ? replicas.filter((replica) => replica !== doomed) : [];
  const setting = `${failpoint}:kill:${dice.between(1, 5)}`;
  return {
    name: `${doomed.name} kills itself at ${setting}`,
    on: [doomed, ...others].map(({ name }) => name),
    run: async () => {
      await Promise.all([doomed, ...others].map((replica) => replica.kill()));
      await doomed.startDoomed(setting);
      await reached(doomed, setting);
      await Promise.all([doomed, ...others].map((replica) => replica.start()));
    },
  };
}

async function reached(doomed: Replica, setting: string): Promise<void> {
  const gone = await Promise.race([doomed.ended().then(() => true), sleep(REACHED_MS, false, { ref: false })]);
  if (!gone) throw new Error(`${doomed.name} did not get to ${setting} within ${REACHED_MS / 1000} s`);
}
