# Node, npm, TypeScript and Jest.

export npm_config_update_notifier=false
project node
file package.json <<'JSON'
{
  "name": "shop",
  "version": "1.0.0",
  "scripts": {
    "build": "node build.js",
    "lint": "node -e \"console.log('0 errors')\"",
    "tidy": "prittier --check ."
  }
}
JSON
file build.js <<'JS'
const prices = { tea: { cents: 300 } };
function total(cart) {
  return cart.reduce((sum, item) => sum + prices[item].cents, 0);
}
console.log('Loaded 1 price, no error: ok');
console.log(total(['tea', 'milk']));
JS
log node-throws <<'SH'
node build.js
SH
log npm-run-build <<'SH'
npm run lint
npm run build
SH
log npm-missing-script <<'SH'
npm run bundle
SH
log npm-command-not-found <<'SH'
npm run tidy
SH
printf 'const total = (cart) => {\n  return cart.length);\n};\n' > broken.js
log node-syntax <<'SH'
node broken.js
SH
printf "const { pay } = require('./till');\npay();\n" > start.js
log node-no-module <<'SH'
node start.js
SH
file reject.mjs <<'JS'
import { readFile } from 'node:fs/promises';
console.log('Reading the prices');
JSON.parse(await readFile('prices.json', 'utf8'));
JS
log node-no-file <<'SH'
node reject.mjs
SH
file cart.test.js <<'JS'
const test = require('node:test');
const assert = require('node:assert');
for (let number = 1; number <= 30; number++) test(`error code ${number}`, () => {});
test('adds up', () => assert.strictEqual(300 + 120, 430));
JS
log node-test <<'SH'
node --test
SH
log node-test-spec <<'SH'
node --test --test-reporter=spec
SH

project npm-missing
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "dependencies": { "shop-ledger-that-is-not-there": "1.4.0" } }
JSON
log npm-no-package <<'SH'
npm install
SH
log npm-ci-without-lock <<'SH'
npm ci
SH
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "dependencies": { "typescript": "99.0.0" } }
JSON
log npm-no-version <<'SH'
npm install
SH
log npm-unknown-host <<'SH'
npm install --fetch-retries 0 --registry https://packages.invalid/ typescript
SH
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "dependencies": { "react": "18.2.0", "react-dom": "17.0.2" } }
JSON
log npm-peer-conflict <<'SH'
npm install
SH
file package.json <<<'{ "name": "shop", "version": "1.0.0", }'
log npm-package-json <<'SH'
npm install
SH

project jest
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "scripts": { "test": "jest", "build": "tsc" } }
JSON
npm install --silent --no-save jest@29 typescript@5 > "$root/npm.log" 2>&1 || cat "$root/npm.log"
file tsconfig.json <<'JSON'
{ "compilerOptions": { "strict": true, "noEmit": true, "types": [] }, "include": ["src"] }
JSON
file src/cart.ts <<'TS'
interface Item { name: string; cents: number }
export function total(cart: Item[]): string {
  return cart.reduce((sum, item) => sum + item.cents, 0);
}
export const first = (cart: Item[]) => cart[0].euros;
TS
log tsc-errors <<'SH'
npx tsc
SH
log tsc-pretty <<'SH'
npx tsc --pretty
SH
file cart.js <<'JS'
exports.total = (cart) => cart.reduce((sum, item) => sum + item.cents, 0);
exports.first = (cart) => cart[0].name;
JS
file test/error.test.js <<'JS'
test.each(Array.from({ length: 20 }, (_, n) => n))('error %d', (n) => {
  if (n === 3) console.error('Error: this one is expected');
});
JS
file test/cart.test.js <<'JS'
const { total, first } = require('../cart');
describe('cart', () => {
  test('adds up', () => {
    expect(total([{ cents: 300 }, { cents: 120 }])).toBe(430);
  });
  test('has a first item', () => {
    expect(first([])).toBe('tea');
  });
});
JS
log jest-fails <<'SH'
npm test -- --verbose --runInBand
SH
log jest-coloured <<'SH'
npx jest --colors --runInBand test/cart.test.js
SH
file test/till.test.js <<'JS'
const till = require('../till');
test('pays', () => expect(till.pay()).toBe(1));
JS
log jest-suite-fails <<'SH'
npx jest --runInBand test/till.test.js
SH
