//! Tells the linker where the images' layouts lie.

fn main() {
    println!("cargo::rerun-if-changed=link");
    let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-search=native={here}/link");
}
