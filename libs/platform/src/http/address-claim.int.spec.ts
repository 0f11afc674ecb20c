import { claimAddress } from './address-claim.js';

const address = { host: '127.0.0.1', port: 1 };

(process.platform === 'linux' ? describe : describe.skip)('an address that several processes are to share', () => {
  it('is claimed once, whoever listens there already, until it is let go', async () => {
    const letGo = await claimAddress(address);
    await expect(claimAddress(address)).rejects.toThrow('127.0.0.1:1 is in use by another process');
    const other = await claimAddress({ ...address, port: 2 });
    other();
    letGo();
    const again = await claimAddress(address);
    again();
  });
});
