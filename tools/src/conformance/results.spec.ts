import { countsOf, shortcomings, statusesOf } from './results.js';

const yaml = `config:
  apis:
    ping: true
  data:
    sparse: false
apis:
  Blob mount: Pass
  Ping: Pass
data:
  Image: Pass
  Sparse Manifests: Disabled
`;
const junit = '<testsuites time="1" tests="986">\n<testsuite name="x" tests="986" failures="0" errors="0" time="5">';
const passed = { ...countsOf(junit), statuses: statusesOf(yaml) };

describe('the results of the conformance tool', () => {
  it('are read from both files, without the configuration that stands in one of them', () => {
    expect(passed).toEqual({
      tests: 986, failed: 0, skipped: 0, errors: 0,
      statuses: [{ name: 'Blob mount', status: 'Pass' }, { name: 'Ping', status: 'Pass' }, { name: 'Image', status: 'Pass' }, { name: 'Sparse Manifests', status: 'Disabled' }],
    });
    expect(countsOf('<testsuite name="x" tests="10" failures="3" errors="1" skipped="2">')).toEqual({ tests: 10, failed: 3, skipped: 2, errors: 1 });
  });

  it('are a pass when every test passed and only what was switched off is disabled', () => {
    expect(shortcomings(passed, ['Sparse Manifests'])).toEqual([]);
    expect(shortcomings(passed, [])).toEqual(['Sparse Manifests is Disabled, expected Pass']);
  });

  it('are no pass after a failure, a skip, an error, or with nothing in them', () => {
    expect(shortcomings({ ...passed, failed: 1, skipped: 2, errors: 3 }, ['Sparse Manifests'])).toEqual(['1 failed', '2 skipped', '3 ended with an error']);
    expect(shortcomings({ ...passed, tests: 0, statuses: [] }, [])).toEqual(['no test ran', 'results.yaml holds no result']);
    expect(shortcomings({ ...passed, statuses: [{ name: 'Ping', status: 'Skip' }] }, [])).toEqual(['Ping is Skip, expected Pass']);
  });

  it('cannot be read from a file that is something else', () => {
    expect(() => countsOf('<html>')).toThrow('junit.xml names no test suite');
  });
});
