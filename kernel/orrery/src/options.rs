//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use kernel_abi::Arch;
use kernel_abi::names::name_of;
use kernel_abi::row::NUMBER_MAX;

/// How user code runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineName {
    /// Unmodified ELF programs, driven by ptrace(2).
    Ptrace,
    /// Rust functions of a test; cannot run a program.
    #[value(hide = true)]
    Scripted,
}

/// What `--help` says at its end.
const EXIT: &str = "\
Exit status: the program's own; 128+N if signal N ended it; 125 if Orrery failed, 126 if the program cannot be executed,
127 if there is none. Ctrl-] three times ends a machine that is stuck.";

/// Runs a program in a Linux-compatible kernel of its own, inside this process.
#[derive(Debug, Parser)]
///
/// The program sees the caller's files (read-only, under a writable layer in memory), working directory, environment and
/// terminal. Nothing outside changes.
#[command(
    name = "orrery",
    version,
    disable_help_subcommand = true,
    override_usage = "orrery [run] [OPTIONS] PROGRAM [ARGS]...\n       orrery replay FILE [--to STEP]",
    after_help = EXIT
)]
pub(crate) struct Options {
    /// Root file system: a directory, a cpio archive (newc, perhaps compressed by gzip), or `host` for the host's own
    /// root. The guest's writes stay in memory.
    #[arg(long, default_value = "host", value_name = "DIR|CPIO|host")]
    pub(crate) root: PathBuf,

    /// Let the guest's writes through to the directory that --root names.
    #[arg(long)]
    pub(crate) rw: bool,

    /// RAM of the machine, such as 512M or 2G.
    #[arg(long, default_value = "2G", value_parser = parse_memory)]
    pub(crate) memory: usize,

    /// CPUs of the machine.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub(crate) cpus: u8,

    /// How user code runs.
    #[arg(long, value_enum, default_value_t = EngineName::Ptrace)]
    pub(crate) engine: EngineName,

    /// Deterministic machine: virtual clock, seeded entropy, interleaving decided by the seed.
    #[arg(long)]
    pub(crate) seed: Option<u64>,

    /// Write what happened to FILE, as trace events for Perfetto or chrome://tracing. With --seed, `orrery replay FILE`
    /// does it again.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,

    /// Print system calls on stderr, arguments decoded; with a filter, only the calls it names (comma-separated).
    #[arg(long, value_name = "FILTER", num_args = 0..=1, require_equals = true, default_missing_value = "",
        value_parser = parse_filter)]
    pub(crate) strace: Option<String>,

    /// Kernel log on stderr: off, error, warn, info, debug or trace.
    #[arg(long, default_value = "error", value_name = "LEVEL")]
    pub(crate) log: tracing::level_filters::LevelFilter,

    /// Set a variable of the guest's environment, which is otherwise the caller's.
    #[arg(long, value_name = "K=V")]
    pub(crate) env: Vec<OsString>,

    /// The program, found by PATH as a shell would, and its arguments.
    #[arg(required = true, trailing_var_arg = true, value_name = "PROGRAM [ARGS]")]
    pub(crate) command: Vec<OsString>,
}

impl Options {
    /// Reads the command line; `orrery run …` is `orrery …`.
    pub(crate) fn read(mut args: Vec<OsString>) -> Result<Self, clap::Error> {
        if args.get(1).is_some_and(|word| word == "run") {
            args.remove(1);
        }
        Self::try_parse_from(args)
    }
}

/// A number of bytes with an optional K, M or G.
fn parse_memory(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.trim_end_matches(['B', 'b']).char_indices().last() {
        Some((at, letter @ ('k' | 'K' | 'm' | 'M' | 'g' | 'G'))) => (&text[..at], letter.to_ascii_uppercase()),
        _ => (text, 'B'),
    };
    let shift = match unit {
        'K' => 10,
        'M' => 20,
        'G' => 30,
        _ => 0,
    };
    let number: usize = digits.parse().map_err(|_| String::from("not a number of bytes, such as 512M"))?;
    let bytes = number.checked_mul(1 << shift).ok_or("too large")?;
    if bytes < 16 << 20 { Err(String::from("a machine needs at least 16M")) } else { Ok(bytes) }
}

/// Names of system calls, comma-separated; none for all.
fn parse_filter(text: &str) -> Result<String, String> {
    let exists = |name: &str| (0..NUMBER_MAX).any(|number| name_of(Arch::X86_64, number) == Some(name));
    match text.split(',').find(|name| !text.is_empty() && !exists(name)) {
        Some(name) => Err(format!("Linux has no system call `{name}`")),
        None => Ok(text.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{Options, parse_memory};

    fn read(words: &[&str]) -> Result<Options, clap::Error> {
        Options::read(std::iter::once("orrery").chain(words.iter().copied()).map(OsString::from).collect())
    }

    #[test]
    fn run_is_optional_and_options_end_at_the_program() {
        for words in [&["run", "--cpus", "2", "ls", "--cpus", "9"][..], &["--cpus", "2", "ls", "--cpus", "9"]] {
            let options = read(words).expect("valid");
            assert_eq!(options.cpus, 2);
            assert_eq!(options.command, ["ls", "--cpus", "9"]);
        }
        assert!(read(&[]).is_err() && read(&["--cpus", "0", "ls"]).is_err());
    }

    #[test]
    fn strace_takes_its_filter_only_behind_an_equals_sign() {
        assert_eq!(read(&["--strace", "ls"]).expect("valid").strace.as_deref(), Some(""));
        assert_eq!(read(&["--strace=open,read", "ls"]).expect("valid").strace.as_deref(), Some("open,read"));
        assert_eq!(read(&["ls"]).expect("valid").strace, None);
        // One without a row can be asked for too; one that Linux does not have is a slip of the pen.
        assert!(read(&["--strace=socketpair", "ls"]).is_ok());
        assert!(read(&["--strace=opne", "ls"]).is_err() && read(&["--strace=open,", "ls"]).is_err());
    }

    #[test]
    fn memory_has_units_and_bounds() {
        assert_eq!(parse_memory("64M"), Ok(64 << 20));
        assert_eq!(parse_memory("2g"), Ok(2 << 30));
        assert_eq!(parse_memory("16777216"), Ok(16 << 20));
        assert!(parse_memory("1M").is_err() && parse_memory("x").is_err() && parse_memory("99999999999G").is_err());
    }
}
