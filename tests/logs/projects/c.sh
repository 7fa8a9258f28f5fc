# gcc, make, CMake and ctest.

project c
file main.c <<'C'
int total(void) {
  return amount_cents;
}
int main(void) { return total(); }
C
file Makefile <<'MAKE'
CFLAGS = -Wall
shop: main.o
	$(CC) -o shop main.o
MAKE
log gcc-undeclared <<'SH'
gcc -c main.c
SH
log gcc-coloured <<'SH'
gcc -fdiagnostics-color=always -c main.c
SH
log make-compile <<'SH'
make shop
SH

project c-header
file ledger.c <<'C'
#include "ledger.h"
int balance(void) { return 0; }
C
log gcc-missing-header <<'SH'
gcc -O2 -c ledger.c -o ledger.o
SH

project c-link
file main.c <<'C'
int total(int cart);
int main(void) { return total(3); }
C
log gcc-undefined-reference <<'SH'
gcc -c main.c
gcc -o shop main.o
SH

project c-werror
file till.c <<'C'
int pay(int cents) {
  int change;
  if (cents = 0) return 1;
  return 0;
}
C
log gcc-werror <<'SH'
gcc -Wall -Werror -c till.c
SH

# Warnings that look like errors, a file with "error" in its name, and 40 objects.
project c-parallel
for i in $(seq 1 40); do
  file "error_handler_$i.c" <<C
#warning "the handler of error: code $i is deprecated"
static int unused_error_$i;
int handler_$i(int error) { int failed; return error; }
C
done
file cart.c <<'C'
struct cart { int cents; };
int total(struct cart *cart) { return cart->euros; }
C
file Makefile <<'MAKE'
OBJECTS = $(patsubst %.c,%.o,$(sort $(wildcard *.c)))
shop: $(OBJECTS)
	$(CC) -o $@ $^
%.o: %.c
	$(CC) -Wall -Wextra -c $< -o $@
MAKE
log make-parallel-keep-going <<'SH'
make -j4 -k shop
SH

project c-recursive
mkdir -p lib/money
file Makefile <<'MAKE'
all:
	$(MAKE) -C lib
MAKE
file lib/Makefile <<'MAKE'
all:
	$(MAKE) -C money
MAKE
file lib/money/Makefile <<'MAKE'
all: money.o
	@echo 0 errors
MAKE
file lib/money/money.c <<'C'
long cents(double euros) { return euros * 100 }
C
log make-recursive <<'SH'
make
SH

project c-rule
file main.c <<<'int main(void) { return 0; }'
file Makefile <<'MAKE'
shop: main.o ledger.o
	$(CC) -o $@ $^
MAKE
log make-no-rule <<'SH'
make
SH

project c-recipe
file Makefile <<'MAKE'
all: prices.json
	@echo done
prices.json:
	./generate-prices --out $@
MAKE
log make-recipe-missing <<'SH'
make all
SH

project c-missing-separator
printf 'all:\n    echo tabs matter\n' | file Makefile
log make-missing-separator <<'SH'
make all
SH

project c-crash
file test_cart.c <<'C'
#include <assert.h>
#include <stdio.h>
int total(void) { return 4; }
int main(void) {
  puts("0 errors so far");
  fflush(stdout);
  assert(total() == 3);
  return 0;
}
C
file crash.c <<'C'
#include <stdio.h>
int main(int n, char **v) {
  int *cart = n > 1 ? &n : 0;
  puts("Adding up the cart");
  fflush(stdout);
  return *cart;
}
C
file heap.c <<'C'
#include <stdlib.h>
int main(void) {
  int *prices = malloc(4 * sizeof *prices);
  int last = prices[4];
  free(prices);
  return last;
}
C
log c-assertion <<'SH'
gcc -g -o test_cart test_cart.c
./test_cart
SH
log c-segfault <<'SH'
gcc -g -o crash crash.c
./crash
SH
log gcc-sanitizer <<'SH'
gcc -g -fsanitize=address -o heap heap.c
./heap
SH

project cpp
file cart.cpp <<'CPP'
#include <algorithm>
#include <map>
#include <string>
#include <vector>
struct Item { std::string name; int cents; };
int main() {
  std::vector<Item> items{{"tea", 300}, {"milk", 120}};
  std::sort(items.begin(), items.end());
  std::map<Item, int> stock;
  stock[items[0]] = 1;
}
CPP
file CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(shop CXX)
add_executable(cart cart.cpp)
CMAKE
log cmake-build <<'SH'
cmake -S . -B build
cmake --build build
SH
log cmake-ninja <<'SH'
cmake -G Ninja -S . -B build-ninja
cmake --build build-ninja
SH

project cmake-package
file CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(shop C)
message(WARNING "OpenSSL not found: error pages are sent without TLS")
find_package(Ledger 2.1 REQUIRED)
CMAKE
log cmake-missing-package <<'SH'
cmake -S . -B build
SH

project ctest
file CMakeLists.txt <<'CMAKE'
cmake_minimum_required(VERSION 3.20)
project(shop C)
enable_testing()
foreach(name cart till)
  add_executable(${name} ${name}.c)
  add_test(NAME ${name} COMMAND ${name})
endforeach()
CMAKE
file cart.c <<'C'
#include <stdio.h>
int main(void) { puts("cart: 12 tests, 0 errors"); return 0; }
C
file till.c <<'C'
#include <stdio.h>
int main(void) {
  puts("till: change of 5.00 for 4.20: expected 80, got 79");
  puts("FAILED: 1 of 9 tests");
  return 1;
}
C
log ctest-fails <<'SH'
cmake -S . -B build
cmake --build build
ctest --test-dir build --output-on-failure
SH
