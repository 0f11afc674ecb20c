import Sequencer from '@jest/test-sequencer';

/** What is likely to take long comes first, so that no worker is left with it at the end: on a new machine jest knows no durations, only sizes of files. */
const order = [/\/(?:e2e|tools)\/dist\/.*\.int\.spec\.js$/, /\.int\.spec\.js$/, /./];
const rank = (test) => order.findIndex((pattern) => pattern.test(test.path));

export default class DeploymentsFirst extends Sequencer {
  sort(tests) {
    return super.sort(tests).toSorted((one, other) => rank(one) - rank(other));
  }
}
