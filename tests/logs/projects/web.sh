# What builds and tests web pages: ESLint, Prettier, webpack, Vite, Vitest, Mocha, Yarn and pnpm.

export npm_config_update_notifier=false
project web
file package.json <<'JSON'
{
  "name": "shop",
  "version": "1.0.0",
  "scripts": { "lint": "eslint src", "build": "webpack --mode production", "test": "mocha" }
}
JSON
npm install --silent --no-save eslint@9 webpack@5 webpack-cli@6 vite@6 vitest@3 mocha@11 prettier@3 yarn@1 pnpm@9 \
  > "$root/npm.log" 2>&1 || cat "$root/npm.log"
file src/cart.js <<'JS'
export function total(cart) {
  const sum = cart.reduce((all, item) => all + item.cents, 0);
  return summ;
}
JS
file src/error_page.js <<'JS'
export const title = 'Error: 404';
const unused = 0;
JS
log eslint-no-config <<'SH'
npx eslint src
SH
file eslint.config.mjs <<'JS'
export default [
  {
    languageOptions: { ecmaVersion: 2022, sourceType: 'module' },
    rules: { 'no-undef': 'error', 'no-unused-vars': 'warn', 'prefer-const': 'error' },
  },
];
JS
log eslint-errors <<'SH'
npm run lint
SH
log eslint-coloured <<'SH'
npx eslint --color src
SH
printf 'export const page = {\n  title: "Shop",,\n};\n' > src/page.js
log eslint-syntax <<'SH'
npx eslint src/page.js
SH
log prettier-check <<'SH'
npx prettier --check src/cart.js src/error_page.js
SH

project web-webpack
ln -s ../web/node_modules node_modules
cp ../web/package.json .
file src/index.js <<'JS'
import { total } from './cart';
import { pay } from './till';
document.title = 'Total: ' + total([]) + pay();
JS
file src/cart.js <<'JS'
export const total = (cart) => cart.length;
JS
log webpack-no-module <<'SH'
npm run build
SH
printf 'export const pay = (cents) => {\n  return cents);\n};\n' > src/till.js
log webpack-syntax <<'SH'
npm run build
SH
file webpack.config.js <<'JS'
module.exports = { entry: './src/index.js', outptu: { filename: 'shop.js' } };
JS
log webpack-config <<'SH'
npx webpack
SH

project web-vite
ln -s ../web/node_modules node_modules
file package.json <<<'{ "name": "shop", "version": "1.0.0", "type": "module" }'
file index.html <<<'<script type="module" src="/src/main.js"></script>'
file src/main.js <<'JS'
import { total } from './cart.js';
import { pay } from 'shop-till';
document.title = total(pay());
JS
file src/cart.js <<'JS'
export const total = (cart) => cart.length;
JS
log vite-no-module <<'SH'
npx vite build
SH
sed -i /shop-till/d src/main.js
printf 'export const total = (cart) => {\n  return cart.length);\n};\n' > src/cart.js
log vite-syntax <<'SH'
npx vite build
SH
printf "import { sum } from './sum.js';\nexport const total = (cart) => sum(cart);\n" > src/cart.js
printf 'export const add = (all) => all.length;\n' > src/sum.js
log vite-no-export <<'SH'
npx vite build
SH
file test/cart.test.js <<'JS'
import { describe, expect, test, vi } from 'vitest';
import { add } from '../src/sum.js';

describe('cart', () => {
  test.each([1, 2, 3])('error code %d', (code) => {
    console.error('Error: code ' + code + ' is expected');
  });
  test('adds up', () => {
    expect(add([300, 120])).toBe(430);
  });
});
JS
log vitest-fails <<'SH'
npx vitest run
SH
file test/cart.test.js <<'JS'
import { expect, test } from 'vitest';
import { till } from '../src/till.js';

test('pays', () => expect(till(1)).toBe(1));
JS
log vitest-no-module <<'SH'
npx vitest run
SH

project web-vite-file
ln -s ../web/node_modules node_modules
file package.json <<<'{ "name": "shop", "version": "1.0.0", "type": "module" }'
file index.html <<<'<script type="module" src="/src/main.js"></script>'
file src/main.js <<<"import { total } from './cart.js';"
log vite-no-file <<'SH'
npx vite build
SH

project web-mocha
ln -s ../web/node_modules node_modules
cp ../web/package.json .
file test/cart.js <<'JS'
const assert = require('assert');
const total = (cart) => cart.reduce((sum, item) => sum + item.cents, 0);
describe('cart', () => {
  it('logs errors', () => console.log('Error: an expected line'));
  it('adds up', () => assert.strictEqual(total([{ cents: 300 }, { cents: 120 }]), 430));
  it('is empty', () => total(null));
});
JS
log mocha-fails <<'SH'
npm test
SH
file test/cart.js <<'JS'
describe('cart', () => {
  before((done) => setTimeout(() => console.log('late'), 10));
  it('pays', () => {});
}).timeout(100);
JS
log mocha-timeout <<'SH'
npx mocha
SH

project web-yarn
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "license": "MIT", "scripts": { "build": "node build.js" } }
JSON
file build.js <<'JS'
const prices = { tea: { cents: 300 } };
console.log(prices.milk.cents);
JS
PATH="$root/workspace/web/node_modules/.bin:$PATH"
log yarn-run <<'SH'
yarn install --frozen-lockfile
yarn build
SH
log yarn-no-script <<'SH'
yarn bundle
SH
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "license": "MIT", "dependencies": { "shop-ledger-that-is-not-there": "1.4.0" } }
JSON
log yarn-no-package <<'SH'
yarn install --frozen-lockfile
SH
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "license": "MIT", "dependencies": { "ms": "2.1.3" } }
JSON
file yarn.lock < /dev/null
log yarn-lock <<'SH'
yarn install --frozen-lockfile
SH
rm yarn.lock

project web-pnpm
file package.json <<'JSON'
{ "name": "shop", "version": "1.0.0", "scripts": { "build": "node build.js" }, "dependencies": { "ms": "2.1.3" } }
JSON
cp ../web-yarn/build.js .
log pnpm-no-lock <<'SH'
pnpm install --frozen-lockfile
SH
pnpm install --lockfile-only > /dev/null
log pnpm-run <<'SH'
pnpm install --frozen-lockfile
pnpm run build
SH
sed -i 's/"2.1.3"/"2.1.2"/' package.json
log pnpm-old-lock <<'SH'
pnpm install --frozen-lockfile
SH
sed -i 's/"ms": "2.1.2"/"ms": "99.0.0"/' package.json
log pnpm-no-version <<'SH'
pnpm install --no-frozen-lockfile
SH
