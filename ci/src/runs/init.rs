//! The machine whose command line names no program: `/init` is process 1, and the machine ends with it.

use anyhow::Result;

use super::{Place, Tally};
use crate::boot::qemu::Run;
use crate::boot::root::Root;

const NAME: &str = "init_is_process_1_and_the_machine_ends_with_it";
/// It is told to end in vain, hears what it handles, and becomes the parent of who has lost its own.
const INIT: &str = "#!/bin/sh
echo $$ $(awk '{ print $4 }' /proc/1/stat)
kill -9 $$; kill -15 $$; kill -19 $$
trap 'echo heard' TERM; kill -15 $$
(sleep 900 & echo $! >/orphan)
awk '/^PPid/ { print $2 }' /proc/$(cat /orphan)/status
exit 7
";
const OUTPUT: [&str; 3] = ["1 0", "heard", "1"];
const STATUS: u8 = 7;

/// Boots it.
pub(super) fn run(place: &Place<'_>, tally: &mut Tally) -> Result<()> {
    if !tally.wants(NAME) {
        return Ok(());
    }
    let mut files = Root::with_busybox(place.root, place.arch)?;
    files.file("init", 0o755, INIT.as_bytes())?;
    let run = Run {
        image: place.image.to_path_buf(),
        archive: Some(files.write("runs-init.cpio")?),
        words: String::new(),
        memory: String::from("128M"),
        cpus: place.cpus,
        devices: Vec::new(),
        gdb: false,
        timeout: Some(place.timeout),
    };
    let end = place.qemu.run(&run, std::io::sink(), None)?;
    let right = end.output.lines().filter(|line| !line.is_empty()).eq(OUTPUT) && end.status == Some(STATUS);
    tally.tell(NAME, if right { Ok(()) } else { Err(format!("{:?}: {}", end.status, end.output)) });
    Ok(())
}
