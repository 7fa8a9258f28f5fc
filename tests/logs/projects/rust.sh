# Cargo and rustc.

export CARGO_TERM_COLOR=never
project rust
file Cargo.toml <<'TOML'
[package]
name = "shop"
version = "0.1.0"
edition = "2021"
TOML
file src/lib.rs <<'RS'
pub fn unused_error() {
    let error = 1;
}

pub fn total(cents: &[u64]) -> u64 {
    let sum: u64 = cents.iter().sum();
    sum.to_string()
}
RS
log cargo-build <<'SH'
cargo build
SH
log cargo-coloured <<'SH'
cargo build --color always
SH
sed -i 's/sum.to_string()/sum/' src/lib.rs
cat >> src/lib.rs <<'RS'

#[cfg(test)]
mod tests {
    #[test]
    fn error_codes() {
        println!("error: 0");
    }

    #[test]
    fn adds_up() {
        assert_eq!(super::total(&[300, 120]), 430);
    }
}
RS
log cargo-test <<'SH'
cargo test
SH
file src/main.rs <<'RS'
fn main() {
    println!("0 errors");
    let price: u64 = "3,00".parse().unwrap();
    println!("{price}");
}
RS
log cargo-panic <<'SH'
cargo run
SH
file src/main.rs <<'RS'
fn main() {
    let cart = vec![1];
    let moved = cart;
    println!("{cart:?} {moved:?}")
    let x = ;
}
RS
log cargo-syntax <<'SH'
cargo check
SH
echo 'fn main() {}' > src/main.rs
cp Cargo.toml Cargo.good
printf '\n[dependencies]\nserde = "99"\n' >> Cargo.toml
log cargo-no-version <<'SH'
cargo fetch
SH
cp Cargo.good Cargo.toml
printf '\n[dependencies]\nserde == "1"\n' >> Cargo.toml
log cargo-manifest <<'SH'
cargo build
SH
cp Cargo.good Cargo.toml
file build.rs <<'RS'
fn main() {
    println!("cargo:warning=error: this is only a warning");
    std::fs::read_to_string("prices.json").expect("prices.json is needed");
}
RS
log cargo-build-script <<'SH'
cargo build
SH
