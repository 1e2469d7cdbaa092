//! Writes the bytes of a program at random: `cargo run -p programs --example generate -- FAMILY CALLS SEED > FILE`. With
//! `--tell` behind that, tells it instead.

use std::io::Write as _;

use programs::{Family, Program};

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
    let family = words.first().and_then(|word| word.parse::<Family>().ok());
    let (Some(family), Some(calls), Some(seed)) = (family, number(1), number(2)) else {
        eprintln!("generate FAMILY CALLS SEED [--tell]");
        std::process::exit(2);
    };
    let program = Program::random(family, calls as usize, seed);
    if words.len() > 3 {
        return write!(std::io::stdout(), "{program}");
    }
    std::io::stdout().write_all(&program.encode())
}
