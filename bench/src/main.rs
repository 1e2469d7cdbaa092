//! Prints the table of figures: medians, and how much longer it takes than on the host's kernel in the same run.

use std::io;
use std::time::Duration;

use bench::{Figure, guest};

/// Samples for one median.
const SAMPLES: usize = 9;

fn main() -> io::Result<()> {
    let program = std::env::current_exe()?;
    let arguments: Vec<String> = std::env::args().collect();
    if let [name, "guest", what, count] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return guest::main(name, what, count.parse().map_err(io::Error::other)?);
    }
    let wanted = arguments.get(1).map_or("", String::as_str);
    println!("{:<46}{:>10}{:>14}{:>10}", "", "checkers", "median", "× native");
    let figures = bench::all(&program);
    let mut rows: Vec<(String, Option<bool>, Duration)> = Vec::new();
    for mut figure in figures.into_iter().filter(|figure| figure.name.contains(wanted)) {
        rows.push((figure.name.to_string(), figure.checks, median(&mut figure)));
    }
    for (name, checks, took) in &rows {
        let subject = name.split_once(": ").map_or("", |(_, subject)| subject);
        let native = rows.iter().find(|(other, checks, _)| checks.is_none() && other.ends_with(subject));
        let ratio = match (checks, native) {
            (Some(_), Some((_, _, native))) => format!("{:.1}", took.as_secs_f64() / native.as_secs_f64()),
            _ => String::new(),
        };
        let checkers = match checks {
            Some(true) => "on",
            Some(false) => "off",
            None => "-",
        };
        println!("{name:<46}{checkers:>10}{:>14}{ratio:>10}", format!("{:.3} µs", took.as_secs_f64() * 1e6));
    }
    Ok(())
}

/// How long it takes to do it once.
fn median(figure: &mut Figure) -> Duration {
    let (count, divisor) = (figure.count, u32::try_from(figure.count).unwrap_or(u32::MAX));
    // Pools fill, caches warm.
    (figure.measure)(count);
    let mut samples: Vec<_> = (0..SAMPLES).map(|_| nanoseconds((figure.measure)(count)) / f64::from(divisor)).collect();
    samples.sort_by(f64::total_cmp);
    Duration::from_secs_f64(samples[SAMPLES / 2] / 1e9)
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e9
}
