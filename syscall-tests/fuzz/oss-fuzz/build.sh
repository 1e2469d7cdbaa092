#!/bin/bash -eu
# Builds every target into $OUT, with its seeds beside it.
fuzz=syscall-tests/fuzz
cargo fuzz build --sanitizer none --fuzz-dir "$fuzz"
for source in "$fuzz"/fuzz_targets/*.rs; do
  target=$(basename "$source" .rs)
  cp "$fuzz"/target/*/release/"$target" "$OUT/"
  zip -qj "$OUT/${target}_seed_corpus.zip" "$fuzz/seeds/$target"/*
done
