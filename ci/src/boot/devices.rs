//! Virtio devices of the machine that is booted, on the bus it has.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;

/// What the machine carries besides its serial line.
#[derive(Args, Default)]
pub(crate) struct Devices {
    /// A file as a disk, which programs see as /dev/vda; once more for /dev/vdb
    #[arg(long, value_name = "FILE")]
    pub(crate) disk: Vec<PathBuf>,
    /// A network of QEMU's own
    #[arg(long)]
    pub(crate) net: bool,
    /// A source of random numbers, /dev/hwrng
    #[arg(long)]
    pub(crate) rng: bool,
    /// A terminal, /dev/hvc0: a file for what is written to it, and one for what is typed
    #[arg(long, value_name = "OUTPUT[=INPUT]")]
    pub(crate) console: Option<String>,
}

impl Devices {
    /// All kinds that can be tested without anybody outside.
    pub(crate) fn to_test(disk: PathBuf) -> Self {
        Self { disk: vec![disk], net: true, rng: true, console: None }
    }

    /// Words for a QEMU that is `machine`.
    pub(crate) fn words(&self, machine: &str) -> Result<Vec<String>> {
        let on_pci = matches!(machine, "q35" | "pc");
        let bus = if on_pci { "pci" } else { "device" };
        let mut words = Words::default();
        if !on_pci {
            words.add("-global", "virtio-mmio.force-legacy=false");
        }
        for (number, file) in self.disk.iter().enumerate() {
            ensure!(file.is_file(), "{}: no such file", file.display());
            words.add("-drive", &format!("if=none,id=disk{number},format=raw,file={}", escaped(file)));
            words.add("-device", &format!("virtio-blk-{bus},drive=disk{number}"));
        }
        if self.net {
            words.add("-netdev", "user,id=net0");
            // Nothing is booted from it.
            let rom = if on_pci { ",romfile=" } else { "" };
            words.add("-device", &format!("virtio-net-{bus},netdev=net0{rom}"));
        }
        if self.rng {
            words.add("-object", "rng-random,id=rng0,filename=/dev/urandom");
            words.add("-device", &format!("virtio-rng-{bus},rng=rng0"));
        }
        if let Some(files) = &self.console {
            let (output, input) = files.split_once('=').map_or((files.as_str(), None), |(a, b)| (a, Some(b)));
            let input = input.map(|input| format!(",input-path={}", escaped(Path::new(input)))).unwrap_or_default();
            words.add("-chardev", &format!("file,id=hvc0,path={}{input}", escaped(Path::new(output))));
            words.add("-device", &format!("virtio-serial-{bus}"));
            words.add("-device", "virtconsole,chardev=hvc0");
        }
        Ok(words.0)
    }
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn add(&mut self, name: &str, value: &str) {
        self.0.extend([name.into(), value.into()]);
    }
}

/// A path as QEMU wants it inside a list.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::Devices;

    fn words(machine: &str, disk: Vec<PathBuf>) -> String {
        let console = Some(String::from("out,1=in"));
        let devices = Devices { disk, net: true, rng: true, console };
        devices.words(machine).expect("valid").join(" ")
    }

    #[test]
    fn devices_are_on_the_bus_that_the_machine_has() {
        let (memory, pci) = (words("microvm", vec![]), words("q35", vec![]));
        assert!(memory.contains("virtio-rng-device") && !memory.contains("-pci"), "{memory}");
        assert!(pci.contains("virtio-rng-pci") && pci.contains("virtio-net-pci") && !pci.contains("-device,"), "{pci}");
        assert!(pci.contains("path=out,,1,input-path=in"), "{pci}");
    }

    #[test]
    fn a_disk_that_is_no_file_is_refused() {
        let devices = Devices { disk: vec![PathBuf::from("/nonexistent")], net: false, rng: false, console: None };
        assert!(devices.words("virt").is_err());
    }
}
