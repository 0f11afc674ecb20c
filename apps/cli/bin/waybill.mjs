#!/usr/bin/env node
// npm links it before anything is built, so it is not one of the compiled files.
import { existsSync } from 'node:fs';

const program = new URL('../dist/main.js', import.meta.url);
if (existsSync(program)) {
  await import(program.href);
} else {
  console.error('waybill: it is not built yet: run `npm run build` in the checkout');
  process.exitCode = 1;
}
