# PHPUnit, Composer and PHP itself; without them, the logs stay as they are.

needs php phpunit composer || return

project php
file src/Cart.php <<'PHP'
<?php
class Cart
{
    public function total(array $items): int
    {
        return array_sum(array_map(fn (Item $item) => $item->cents, $items));
    }
}
PHP
file tests/CartTest.php <<'PHP'
<?php
require_once __DIR__ . '/../src/Cart.php';

use PHPUnit\Framework\TestCase;

class CartTest extends TestCase
{
    /** @dataProvider codes */
    public function testErrorCodes(int $code): void
    {
        $this->assertGreaterThan(0, $code);
    }

    public static function codes(): array
    {
        return array_map(fn ($code) => [$code], range(1, 70));
    }

    public function testIsEmpty(): void
    {
        $this->assertSame(1, (new Cart())->total([]), 'the total in cents');
    }

    public function testAddsUp(): void
    {
        $this->assertSame(300, (new Cart())->total(['tea']));
    }
}
PHP
log phpunit-fails <<'SH'
phpunit tests
SH
log phpunit-coloured <<'SH'
phpunit --colors=always --testdox --filter testAddsUp tests
SH
file import.php <<'PHP'
<?php
require 'src/Cart.php';
echo "Imported 1 price, 0 errors\n";
echo $total;
echo (new Cart())->total(['tea']);
PHP
log php-exception <<'SH'
php import.php
SH
printf '<?php\nfunction total(array $cart) {\n    return count($cart;\n}\n' > src/Till.php
log php-lint <<'SH'
for file in src/*.php; do php -l $file; done
SH
log php-syntax <<'SH'
php src/Till.php
SH
export COMPOSER_ALLOW_SUPERUSER=1 COMPOSER_HOME="$root/composer"
file composer.json <<'JSON'
{
  "name": "example/shop",
  "repositories": [{ "packagist.org": false }],
  "require": { "php": ">=9.1", "example/ledger": "^2.4" }
}
JSON
log composer-conflict <<'SH'
composer install --no-interaction
SH
file composer.json <<'JSON'
{
  "name": "example/shop",
  "repositories": [{ "packagist.org": false }],
  "scripts": { "test": "phpunit tests" }
}
JSON
log composer-script <<'SH'
composer run-script test
SH
printf '{ "name": "example/shop", "require": { }, }\n' > composer.json
log composer-json <<'SH'
composer validate
SH
