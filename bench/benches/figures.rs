//! The figures under criterion, which compares a run with the one before.

use std::path::Path;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use mimalloc::MiMalloc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn figures(criterion: &mut Criterion) {
    for mut figure in bench::all(Path::new(env!("CARGO_BIN_EXE_figures"))) {
        let checkers = match figure.checks {
            Some(true) => ", checkers on",
            Some(false) => ", checkers off",
            None => "",
        };
        let name = format!("{}{checkers}", figure.name);
        criterion.bench_function(&name, |bencher| bencher.iter_custom(&mut figure.measure));
    }
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .without_plots();
    targets = figures
}
criterion_main!(all);
