//! `#!` lines that lie, and more words than fit.

use kernel_abi::flags::Resource;
use kernel_abi::{Calls as _, Sys as _};
use libtest_mimic::{Failed, Trial};

use crate::scratch::Scratch;

use super::elf::install;
use super::guest::Guest;
use super::{Probe, same_lines, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("script_lines_of_all_kinds", || with_scratch("script")),
        trial("words_up_to_the_limits_and_beyond", || with_scratch("words")),
    ]
}

pub(crate) const PROBES: &[Probe] = &[("script", scripts), ("words", words)];

fn with_scratch(probe: &str) -> Result<(), Failed> {
    let scratch = Scratch::new()?;
    same_lines(probe, &[scratch.path()])
}

/// Executes `path` with words at these addresses in a child and says how that ended.
fn execute(guest: &Guest, path: &str, argv: &[usize], envp: &[usize]) -> String {
    let sys = *guest;
    let list = |words: &[usize]| words.iter().copied().chain([0]).collect::<Vec<usize>>();
    let (argv, envp) = (list(argv), list(envp));
    let path = guest.path(guest.page(), path);
    let run = move || match sys.execve(path, address(&argv), address(&envp)) {
        Ok(_) => 255,
        Err(errno) => errno.number(),
    };
    guest.vfork(run).map_or_else(|errno| format!("{errno:?}"), |pid| guest.wait(pid).to_string())
}

fn address<T>(of: &[T]) -> usize {
    of.as_ptr().expose_provenance()
}

/// The guest's side: scripts whose interpreter prints what it is given.
fn scripts(arguments: &[String]) {
    let [place] = arguments else { panic!("probe script PLACE") };
    let guest = Guest::new();
    guest.confine();
    std::env::set_current_dir(place).expect("the scratch directory");
    let attempt = |what: &str, text: &[u8]| {
        install("subject", text);
        let words = ["zero\0", "one\0", "two\0"].map(|word| address(word.as_bytes()));
        println!("{what}: {}", execute(&guest, "./subject", &words, &[]));
    };
    let sh = "/bin/echo";
    for (what, text) in [
        ("plain", format!("#!{sh}\n")),
        ("one argument", format!("#!{sh} -e\n")),
        ("words are one argument", format!("#! \t{sh}  a  b\t c \t\n")),
        ("no newline", format!("#!{sh}")),
        ("no newline, an argument", format!("#!{sh} a b")),
        ("no newline, blanks", format!("#!{sh} \t ")),
        ("carriage return", format!("#!{sh}\r\n")),
        ("a nul in the name", format!("#!{sh}\0x\n")),
        ("a nul in the argument", format!("#!{sh} a\0b\n")),
        ("a nul first", format!("#!\0{sh}\n")),
        ("only blanks", "#!  \t \n".into()),
        ("only blanks, no newline", "#!  \t ".into()),
        ("nothing", "#!\n".into()),
        ("nothing at all", "#!".into()),
        ("a hash alone", "#".into()),
        ("an empty file", String::new()),
        ("text", "echo hello\n".into()),
        ("missing", "#!/no/such/interpreter\n".into()),
        ("below a file", "#!/bin/echo/x\n".into()),
        ("a directory", "#!/bin\n".into()),
        ("a device", "#!/dev/null\n".into()),
        ("not executable", "#!/etc/passwd\n".into()),
        ("itself", "#!./subject\n".into()),
        ("an upper-case mark", format!("#! {sh} X\n#!{sh} Y\n")),
        ("254 blanks", format!("#!{}{sh}\n", " ".repeat(254))),
        ("blanks up to the name", format!("#!{}{sh}\n", " ".repeat(254 - sh.len() - 1))),
        ("blanks up to the name and no more", format!("#!{}{sh}\n", " ".repeat(254 - sh.len()))),
        ("blanks and a name cut off", format!("#!{}{sh}\n", " ".repeat(254 - sh.len() + 1))),
        ("a long argument", format!("#!{sh} {}\n", "a".repeat(300))),
        ("an argument that just fits", format!("#!{sh} {}\n", "a".repeat(254 - sh.len() - 2))),
        ("an argument that just does not", format!("#!{sh} {}\n", "a".repeat(254 - sh.len() - 1))),
    ] {
        attempt(what, text.as_bytes());
    }
    for len in (240..260).chain([4094, 4095, 4096, 5000]) {
        attempt(&format!("a name of {len} bytes"), format!("#!/{}\n", "a".repeat(len - 1)).as_bytes());
    }
    // Scripts that are interpreters of scripts.
    install("script0", format!("#!{sh} last\n").as_bytes());
    for depth in 1..8 {
        install(&format!("script{depth}"), format!("#!./script{} {depth}\n", depth - 1).as_bytes());
        println!("{depth} deep: {}", execute(&guest, &format!("./script{depth}"), &[address(b"zero\0")], &[]));
    }
    install("script0", b"#!/no/such/interpreter\n");
    for depth in 1..8 {
        println!("{depth} deep, to nothing: {}", execute(&guest, &format!("./script{depth}"), &[], &[]));
    }
    attempt("no arguments at all", format!("#!{sh} a\n").as_bytes());
    println!("no arguments: {}", execute(&guest, "./subject", &[], &[]));
    for bad in [8, guest.hole(), guest.hole() - 4, usize::MAX - 7, 1 << 47, 1 << 63] {
        let sys = guest;
        let path = guest.path(guest.page(), "./subject");
        let missing = guest.path(guest.page() + 64, "./missing");
        let errno = |result: kernel_abi::Result| result.map_or_else(|errno| format!("{errno:?}"), |_| "fine".into());
        // One pointer, to nowhere.
        let list = guest.store(guest.page() + 128, &[bad, 0]);
        println!("wild argv: {}", errno(sys.execve(path, bad, 0)));
        println!("wild envp: {}", errno(sys.execve(path, 0, bad)));
        println!("wild argument: {}", errno(sys.execve(path, list, 0)));
        println!("wild variable: {}", errno(sys.execve(path, 0, list)));
        println!("wild argv of a missing program: {}", errno(sys.execve(missing, bad, 0)));
        println!("wild path: {}", errno(sys.execve(bad, 0, 0)));
    }
}

/// The guest's side: argument lists around each limit.
fn words(arguments: &[String]) {
    let [place] = arguments else { panic!("probe words PLACE") };
    let guest = Guest::new();
    guest.confine();
    std::env::set_current_dir(place).expect("the scratch directory");
    install("script", b"#!/bin/true a-long-argument-for-it\n");
    const PAGE: usize = 4096;
    // Words of any length are ends of a long one.
    let mut long = vec![b'a'; 64 * PAGE];
    long.push(0);
    let word = |len: usize| address(&long) + long.len() - 1 - len;
    let attempt = |what: &str, argv: &[usize], envp: &[usize]| {
        for program in ["/bin/true", "./script"] {
            println!("{what} for {program}: {}", execute(&guest, program, argv, envp));
        }
    };
    for len in [32 * PAGE - 2, 32 * PAGE - 1, 32 * PAGE, 32 * PAGE + 1] {
        attempt(&format!("a word of {len}"), &[word(len)], &[]);
        attempt(&format!("a variable of {len}"), &[], &[word(len)]);
    }
    let megabyte = 1 << 20;
    for stack in [megabyte / 4, 8 * megabyte, 64 * megabyte] {
        let (sys, at) = (guest, guest.page());
        // The soft limit alone: raising it again must be possible.
        sys.getrlimit(Resource::RLIMIT_STACK, at).expect("a limit");
        let old: u64 = sys.load(at);
        sys.store(at, &(stack as u64));
        if sys.setrlimit(Resource::RLIMIT_STACK, at).is_err() {
            println!("a stack of {stack} is not allowed");
            continue;
        }
        let room = (stack / 4).clamp(megabyte / 8, 6 * megabyte);
        let path = "/bin/true".len() + 1;
        // Words of a page each, and one that fills what is left.
        let count = (room - path) / (PAGE + 8);
        let rest = room - path - count * (PAGE + 8);
        for more in [0, 1] {
            let Some(last) = rest.checked_sub(9).and_then(|len| len.checked_add_signed(more)) else { continue };
            let mut argv = vec![word(PAGE - 1); count];
            argv.push(word(last));
            println!("{room} bytes and {more}: {}", execute(&guest, "/bin/true", &argv, &[]));
            println!("{room} bytes and {more} of environment: {}", execute(&guest, "/bin/true", &[word(0)], &argv));
        }
        let pointers = room / 8;
        for count in [pointers - 2, pointers] {
            println!("{count} empty words: {}", execute(&guest, "/bin/true", &vec![word(0); count], &[]));
        }
        sys.store(at, &old);
        let _ = sys.setrlimit(Resource::RLIMIT_STACK, at);
    }
}
