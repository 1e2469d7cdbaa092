//! Advice and questions about ranges: madvise(2), msync(2), mincore(2).
