//! An example for a bare target is a static program at a fixed address, which any Linux executes.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo::rustc-link-arg-examples=--no-pie");
        println!("cargo::rustc-link-arg-examples=--gc-sections");
        println!("cargo::rustc-link-arg-examples=--image-base=0x400000");
    }
}
