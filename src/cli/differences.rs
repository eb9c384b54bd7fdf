//! Two texts line by line, as `diff -u` shows them.

use similar::TextDiff;

/// What turns `old` into `new`, three lines around each change; empty where they are equal.
pub fn unified(old: &str, new: &str, old_name: &str, new_name: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(3).header(old_name, new_name).to_string()
}
