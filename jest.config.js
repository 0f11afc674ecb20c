/** Tests run on what `tsc -b` wrote: no transform, plain ES modules. */
export default {
  testEnvironment: 'node',
  testMatch: ['<rootDir>/{apps,libs}/*/dist/**/*.spec.js', '<rootDir>/{e2e,tools}/dist/**/*.spec.js'],
  transform: {},
  modulePathIgnorePatterns: ['<rootDir>/data', '<rootDir>/.nx'],
};
