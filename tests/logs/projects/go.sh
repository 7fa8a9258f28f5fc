# Go: build, vet, test, modules and panics.

export GOFLAGS=-mod=mod GOTOOLCHAIN=local
project go
file go.mod <<'GO'
module example.com/shop

go 1.21
GO
file cart/cart.go <<'GO'
package cart

type Cart struct{ Cents []int }

func Total(cart *Cart) int {
	sum := 0
	for _, cents := range cart.Cents {
		sum += cents
	}
	return summ
}
GO
file main.go <<'GO'
package main

import "example.com/shop/cart"

func main() { println(cart.Total(&cart.Cart{})) }
GO
log go-build <<'SH'
go build ./...
SH
sed -i s/summ/sum/ cart/cart.go
file cart/cart_test.go <<'GO'
package cart

import "testing"

func TestErrorCodes(t *testing.T) { t.Log("error: 0") }

func TestTotal(t *testing.T) {
	t.Run("empty", func(t *testing.T) {})
	t.Run("two items", func(t *testing.T) {
		if got := Total(&Cart{[]int{300, 120}}); got != 430 {
			t.Errorf("Total() = %d, want 430", got)
		}
	})
}
GO
log go-test <<'SH'
go test -v ./...
SH
file cart/cart_test.go <<'GO'
package cart

import "testing"

func TestNil(t *testing.T) {
	if Total(nil) != 0 {
		t.Fatal("not empty")
	}
}
GO
log go-test-panic <<'SH'
go test ./...
SH
file cart/cart_test.go <<'GO'
package cart

import "testing"

func TestTotal(t *testing.T) {
	if Total(&Cart{}) != "0" {
		t.Fatal("not empty")
	}
}
GO
log go-test-does-not-compile <<'SH'
go test ./...
SH
rm cart/cart_test.go
file main.go <<'GO'
package main

import (
	"fmt"

	"example.com/shop/cart"
)

func main() {
	fmt.Println("0 errors")
	fmt.Println(cart.Total(nil))
}
GO
log go-panic <<'SH'
go build -o shop .
./shop
SH
file main.go <<'GO'
package main

import "fmt"

func main() { fmt.Printf("%d errors\n", "none") }
GO
log go-vet <<'SH'
go vet ./...
SH
file main.go <<'GO'
package main

import "example.com/nowhere/ledger"

func main() { ledger.Balance() }
GO
log go-missing-module <<'SH'
go build -mod=readonly ./...
SH
file main.go <<'GO'
package main

import "sync"

func main() {
	var lock sync.Mutex
	lock.Lock()
	lock.Lock()
}
GO
log go-deadlock <<'SH'
go run .
SH
