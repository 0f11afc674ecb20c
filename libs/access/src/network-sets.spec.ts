import fc from 'fast-check';
import { Networks } from '@waybill/platform';
import { around, common } from './network-sets.js';

const v4 = fc.tuple(fc.constantFrom('10.1.2.3', '10.1.2.0', '10.0.0.0', '192.0.2.1', '0.0.0.0'), fc.integer({ min: 0, max: 32 }));
const v6 = fc.tuple(fc.constantFrom('2001:db8::1', '2001:DB8:0:1::', '::', '::1', '::ffff:10.1.2.3', '::ffff:a00:0', '1:2:3:4:5:6:7:8', 'fe80::'), fc.integer({ min: 0, max: 128 }));
const someNetwork = fc.oneof(v4, v6).map(([address, bits]) => `${address}/${bits}`);
const someNetworks = fc.array(someNetwork, { maxLength: 5 });
const someAddress = fc.constantFrom('10.1.2.3', '10.1.2.0', '10.9.9.9', '192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:1::5', '::1', '1:2:3:4:5:6:7:8', 'fe80::1');

describe('sets of networks', () => {
  it.each([
    [['10.0.0.0/8'], ['10.1.0.0/16'], ['10.1.0.0/16']], [['10.1.0.0/16', '192.0.2.1'], ['10.0.0.0/8', '192.0.2.0/24'], ['10.1.0.0/16', '192.0.2.1']], [['10.0.0.0/8'], ['11.0.0.0/8'], []],
    [['10.0.0.0/8'], ['2001:db8::/32'], []], [['2001:db8::/32'], ['2001:db8:1::/48', '::/0'], ['2001:db8:1::/48', '2001:db8::/32']], [['10.0.0.1'], ['10.0.0.1/32'], ['10.0.0.1']], [['0.0.0.0/0'], ['10.0.0.0/8'], ['10.0.0.0/8']],
    [['::ffff:10.0.0.0/104'], ['10.1.0.0/16'], ['10.1.0.0/16']],
  ])('%j and %j have %j in common', (some, others, both) => expect(common(some, others)).toEqual(both));

  it('have in common the addresses that are in both', () => {
    fc.assert(fc.property(someNetworks, someNetworks, someAddress, (some, others, address) =>
      new Networks(common(some, others)).has(address) === (new Networks(some).has(address) && new Networks(others).has(address))), { numRuns: 3000 });
  });

  it('have around an address those that hold it, the widest first', () => {
    expect(around('10.1.2.3', ['10.1.2.3', '10.1.0.0/16', '192.0.2.0/24', '10.0.0.0/8', '::/0'])).toEqual(['::/0', '10.0.0.0/8', '10.1.0.0/16', '10.1.2.3']);
    fc.assert(fc.property(someNetworks, someAddress, (networks, address) => around(address, networks).length === networks.filter((one) => new Networks([one]).has(address)).length));
  });
});
