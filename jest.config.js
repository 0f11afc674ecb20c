// Tests run on what `tsc -b` wrote: no transform, plain ES modules. `npm run check` selects the project `pure`.
const places = ['<rootDir>/{apps,examples,libs}/*/dist/**', '<rootDir>/tools/dist/**'];
const common = {
  testEnvironment: 'node',
  transform: {},
  modulePathIgnorePatterns: ['<rootDir>/data', '<rootDir>/.nx'],
};

// One Postgres for all specs that want real services, started for the run and stopped after it.
const real = {
  ...common,
  testTimeout: 60_000,
  globalSetup: '<rootDir>/libs/testing/dist/jest-global-setup.js',
  globalTeardown: '<rootDir>/libs/testing/dist/jest-global-teardown.js',
};

export default {
  // three on two cores take as long, and more limits of time are missed
  maxWorkers: 2,
  testSequencer: '<rootDir>/jest.sequencer.js',
  // of every project: jest reads it only here
  testTimeout: 60_000,
  workerIdleMemoryLimit: '600MB',
  projects: [
    { ...common, displayName: 'pure', testMatch: places.map((place) => `${place}/*.spec.js`), testPathIgnorePatterns: [String.raw`\.int\.spec\.js$`] },
    { ...real, displayName: 'int', testMatch: places.map((place) => `${place}/*.int.spec.js`) },
    { ...real, displayName: 'e2e', testMatch: ['<rootDir>/e2e/dist/**/*.spec.js'] },
  ],
};
