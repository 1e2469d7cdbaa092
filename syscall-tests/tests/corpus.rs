//! Every seed of every fuzz target ends well: what a fuzzer found once stays found.

use std::fs;
use std::path::Path;

use syscall_tests::inputs::TARGETS;

#[test]
fn every_seed_ends_well() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for target in &TARGETS {
        let mut count = 0;
        for entry in fs::read_dir(seeds.join(target.name)).expect("each target has seeds") {
            let path = entry.expect("it can be read").path();
            let bytes = fs::read(&path).expect("it can be read");
            (target.feed)(&bytes).unwrap_or_else(|problem| panic!("{}: {problem}", path.display()));
            count += 1;
        }
        assert!(count > 0, "{} has no seeds", target.name);
    }
}

/// In a kernel of its own, `length` bytes of an input at a time: no prefix of a seed does harm either.
#[test]
fn a_seed_that_is_cut_short_ends_well() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for target in &TARGETS {
        for entry in fs::read_dir(seeds.join(target.name)).expect("each target has seeds").take(4) {
            let bytes = fs::read(entry.expect("it can be read").path()).expect("it can be read");
            for len in (0..bytes.len()).step_by(bytes.len() / 16 + 1) {
                (target.feed)(&bytes[..len]).unwrap_or_else(|problem| panic!("{}: {len}: {problem}", target.name));
            }
        }
    }
}
