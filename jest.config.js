import { existsSync } from 'node:fs';

// Tests run on what `tsc -b` wrote: no transform, plain ES modules. `npm run check` selects the project `pure`.
const places = ['<rootDir>/{apps,libs}/*/dist/**', '<rootDir>/tools/dist/**'];
const common = {
  testEnvironment: 'node',
  transform: {},
  modulePathIgnorePatterns: ['<rootDir>/data', '<rootDir>/.nx'],
};

// One Postgres for all specs that want real services.
const services = './libs/testing/dist/jest-global-setup.js';
const real = { ...common, testTimeout: 60_000, ...(existsSync(new URL(services, import.meta.url)) ? { globalSetup: services } : {}) };

export default {
  maxWorkers: 2,
  workerIdleMemoryLimit: '600MB',
  projects: [
    { ...common, displayName: 'pure', testMatch: places.map((place) => `${place}/*.spec.js`), testPathIgnorePatterns: [String.raw`\.int\.spec\.js$`] },
    { ...real, displayName: 'int', testMatch: places.map((place) => `${place}/*.int.spec.js`) },
    { ...real, displayName: 'e2e', testMatch: ['<rootDir>/e2e/dist/**/*.spec.js'] },
  ],
};
