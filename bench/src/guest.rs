//! What ELF programs do, on any kernel: something so many times, and how long it took, told on standard output.

use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use memmap2::{Advice, MmapMut};

use crate::floor;

/// What [`main`] can do.
pub const NULL_CALL: &str = "null-call";
/// Opens a file, reads of it, closes it.
pub const OPEN_READ_CLOSE: &str = "open-read-close";
/// Starts a program that does nothing, and waits for it.
pub const FORK_EXEC_WAIT: &str = "fork-exec-wait";
/// Moves 64 KiB through a pipe.
pub const PIPE: &str = "pipe";
/// Touches a page for the first time.
pub const PAGE_FAULT: &str = "page-fault";
/// Does nothing: what [`FORK_EXEC_WAIT`] starts.
pub const NOTHING: &str = "nothing";

/// Makes calls until it is killed, for [`floor`](crate::floor).
pub const TRACED: &str = "traced";

/// A page.
const PAGE: usize = 4096;
/// What a pipe holds.
const PIPE_LEN: usize = 64 << 10;

/// Does `what`, `count` times, and prints the nanoseconds it took. `program` is this program's own file.
pub fn main(program: &str, what: &str, count: u64) -> io::Result<()> {
    let took = match what {
        NULL_CALL => time(count, || {
            black_box(std::process::id());
            Ok(())
        }),
        OPEN_READ_CLOSE => {
            let mut bytes = [0; 64];
            time(count, || File::open("/etc/passwd")?.read(&mut bytes).map(drop))
        }
        FORK_EXEC_WAIT => time(count, || {
            let status = Command::new(program).args(["guest", NOTHING, "1"]).stdin(Stdio::null()).status()?;
            if status.success() { Ok(()) } else { Err(io::Error::other(status.to_string())) }
        }),
        PIPE => {
            let (mut reader, mut writer) = io::pipe()?;
            let mut bytes = vec![7; PIPE_LEN];
            time(count, || {
                writer.write_all(&bytes)?;
                reader.read_exact(&mut bytes)
            })
        }
        PAGE_FAULT => {
            // A fault for every page: in huge ones it would be one for hundreds.
            let pages = usize::try_from(count).map_err(io::Error::other)?;
            let mut memory = MmapMut::map_anon(pages * PAGE)?;
            memory.advise(Advice::NoHugePage)?;
            let mut at = 0;
            time(count, || {
                memory[at] = black_box(1);
                at += PAGE;
                Ok(())
            })
        }
        NOTHING => return Ok(()),
        TRACED => return Ok(floor::traced()?),
        other => return Err(io::Error::other(format!("no such thing to do: {other}"))),
    };
    println!("{}", took?.as_nanos());
    Ok(())
}

fn time(count: u64, mut once: impl FnMut() -> io::Result<()>) -> io::Result<Duration> {
    let start = Instant::now();
    for _ in 0..count {
        once()?;
    }
    Ok(start.elapsed())
}
