//! A bare-metal image is linked by ostd-baremetal's layout, at fixed addresses.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let of = |name: &str| std::env::var(name).unwrap_or_default();
    if of("CARGO_CFG_TARGET_OS") == "none" {
        println!("cargo::rustc-link-arg-bins=-T{}.ld", of("CARGO_CFG_TARGET_ARCH"));
        println!("cargo::rustc-link-arg-bins=--no-pie");
        println!("cargo::rustc-link-arg-bins=--gc-sections");
    }
}
