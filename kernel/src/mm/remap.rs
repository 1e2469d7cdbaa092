//! Moving and resizing: mremap(2).
