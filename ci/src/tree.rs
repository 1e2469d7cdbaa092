//! The files of this workspace, or of one made up by a test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::source::Source;

/// What the checks look at.
pub(crate) struct Tree {
    /// The folder with the workspace's Cargo.toml.
    pub root: PathBuf,
    /// Names in that folder, build output and dot files left out.
    pub top_level: Vec<String>,
    /// Rust files.
    pub rust: Vec<Source>,
    /// Every other text file, by path from the root.
    pub text: Vec<(String, String)>,
}

impl Tree {
    /// Reads the workspace that this program was built in.
    pub(crate) fn of_this_workspace() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies in a workspace")?;
        let mut tree = Self { root: root.to_path_buf(), top_level: Vec::new(), rust: Vec::new(), text: Vec::new() };
        for (name, _) in children(root)? {
            if !name.starts_with('.') && name != "target" {
                tree.top_level.push(name);
            }
        }
        tree.read(root)?;
        tree.note_test_modules();
        Ok(tree)
    }

    fn read(&mut self, dir: &Path) -> Result<()> {
        for (name, path) in children(dir)? {
            // Build output, git's own files and what editors leave are not ours.
            let foreign = name == "target" || name.starts_with('.') && name != ".ci" && name != ".cargo";
            if foreign || path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                self.read(&path)?;
                continue;
            }
            let from_root = path.strip_prefix(&self.root)?.to_string_lossy().into_owned();
            // What is not text has no lines to check.
            let Ok(text) = String::from_utf8(fs::read(&path)?) else { continue };
            self.add(from_root, text);
        }
        Ok(())
    }

    fn add(&mut self, path: String, text: String) {
        if path.ends_with(".rs") {
            self.rust.push(Source::new(path, text));
        } else {
            self.text.push((path, text));
        }
    }

    /// Files of modules that are declared under `#[cfg(test)]` are test code, whatever their names.
    fn note_test_modules(&mut self) {
        let mut homes = Vec::new();
        for file in &self.rust {
            let dir = match file.path.rsplit_once('/') {
                Some((dir, "mod.rs" | "lib.rs" | "main.rs")) => dir,
                _ => file.path.trim_end_matches(".rs"),
            };
            homes.extend(file.test_modules().map(|name| format!("{dir}/{name}")));
        }
        let is_test = |path: &str| {
            homes
                .iter()
                .any(|home| path.strip_prefix(home.as_str()).is_some_and(|rest| rest == ".rs" || rest.starts_with('/')))
        };
        self.rust.iter_mut().filter(|file| is_test(&file.path)).for_each(Source::ship_nothing);
    }

    /// A tree of these files and no others.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self { root: PathBuf::new(), top_level: Vec::new(), rust: Vec::new(), text: Vec::new() };
        for (path, text) in files {
            tree.top_level.push(path.split('/').next().unwrap_or(path).to_string());
            tree.add((*path).to_string(), (*text).to_string());
        }
        tree.note_test_modules();
        tree
    }
}

fn children(dir: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let entry = entry?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    found.sort();
    Ok(found)
}
