//! Prints the table of figures: medians, and how much longer it takes than on the host's kernel in the same run.

use std::io;

use bench::{Figure, guest, many};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Samples for one median.
const SAMPLES: usize = 9;

fn main() -> io::Result<()> {
    let program = std::env::current_exe()?;
    let arguments: Vec<String> = std::env::args().collect();
    let number = |text: &str| text.parse::<usize>().map_err(io::Error::other);
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [name, "guest", what, count] => return guest::main(name, what, count.parse().map_err(io::Error::other)?),
        [_, "live", ref count @ ..] => return many::live(count.first().map(|count| number(count)).transpose()?),
        [_, "tests", ref count @ ..] => {
            many::tests(count.first().map(|count| number(count)).transpose()?);
            return Ok(());
        }
        _ => {}
    }
    let wanted = arguments.get(1).map_or("", String::as_str);
    println!("{:<46}{:>10}{:>14}{:>14}{:>10}", "", "checkers", "median", "best", "× native");
    let figures = bench::all(&program);
    let wanted = figures.into_iter().filter(|figure| figure.name.contains(wanted));
    let mut rows: Vec<Row> = Vec::new();
    for row in wanted.map(Row::measure) {
        let subject = row.name.split_once(": ").map_or("", |(_, subject)| subject);
        let native = rows.iter().find(|other| other.checks.is_none() && other.name.ends_with(subject));
        let ratio = match (row.checks, native) {
            (Some(_), Some(native)) => format!("{:.1}", row.median_us / native.median_us),
            _ => String::new(),
        };
        let checkers = match row.checks {
            Some(true) => "on",
            Some(false) => "off",
            None => "-",
        };
        let (median, best) = (format!("{:.3} µs", row.median_us), format!("{:.3} µs", row.best_us));
        println!("{:<46}{checkers:>10}{median:>14}{best:>14}{ratio:>10}", row.name);
        rows.push(row);
    }
    Ok(())
}

/// What was measured, in microseconds for doing it once.
struct Row {
    name: &'static str,
    checks: Option<bool>,
    median_us: f64,
    best_us: f64,
}

impl Row {
    fn measure(mut figure: Figure) -> Self {
        let (count, divisor) = (figure.count, u32::try_from(figure.count).unwrap_or(u32::MAX));
        let mut once = || (figure.measure)(count).as_secs_f64() * 1e6 / f64::from(divisor);
        // Pools fill, caches warm.
        once();
        let mut samples: Vec<_> = (0..SAMPLES).map(|_| once()).collect();
        samples.sort_by(f64::total_cmp);
        Self { name: figure.name, checks: figure.checks, median_us: samples[SAMPLES / 2], best_us: samples[0] }
    }
}
