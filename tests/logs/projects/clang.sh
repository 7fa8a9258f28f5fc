# clang, its linker and clang-tidy; without them, the logs stay as they are.

needs clang clang-tidy || return

project clang
file cart.c <<'C'
#include "cart.h"
int total(struct cart *cart) {
  return cart->euros + amount_cents;
}
C
file cart.h <<'C'
struct cart { int cents; };
C
log clang-undeclared <<'SH'
clang -Wall -c cart.c
SH
file Makefile <<'MAKE'
CC = clang
CFLAGS = -Wall -Werror -Wconversion
till: till.o
	$(CC) -o $@ $^
MAKE
file till.c <<'C'
int pay(long cents) {
  int change = cents;
  return 0;
}
C
log clang-werror <<'SH'
make till
SH

project clang-link
file main.c <<'C'
int total(int cart);
int main(void) { return total(3); }
C
log clang-undefined-reference <<'SH'
clang -c main.c
clang -o shop main.o
SH
log clang-no-library <<'SH'
clang -o shop main.c -lledger
SH
log clang-no-file <<'SH'
clang -O2 -c src/ledger.c -o ledger.o
SH

project clang-cpp
file cart.cpp <<'CPP'
#include <algorithm>
#include <list>
#include <string>
int main() {
  std::list<std::string> items{"tea", "milk"};
  std::sort(items.begin(), items.end());
}
CPP
log clang-template <<'SH'
clang++ -std=c++17 -fcolor-diagnostics -c cart.cpp
SH
file sum.cpp <<'CPP'
#include <cstdio>
#include <limits>
int main(int argc, char **) {
  std::puts("0 errors so far");
  int sum = std::numeric_limits<int>::max() - 1 + argc;
  return sum + argc;
}
CPP
log clang-sanitizer <<'SH'
clang++ -g -fsanitize=undefined -fno-sanitize-recover -o sum sum.cpp
./sum
SH

project clang-tidy
file src/pay.cpp <<'CPP'
int pay(int cents) {
  int *change = nullptr;
  if (cents = 0) {
    return *change;
  }
  return cents;
}
CPP
log clang-tidy <<'SH'
clang-tidy --quiet --warnings-as-errors='*' src/pay.cpp -- -std=c++17
SH
