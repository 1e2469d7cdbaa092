//! The bare-metal image's entry.

ostd::baremetal::image!(main);

fn main() {}
