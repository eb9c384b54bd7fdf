//! One mistake at many points of a sweep is one finding: which of all findings are the same, and the note
//! that says how many points each concerns.

use crate::base::{Code, Diagnostic, Diagnostics, Span};
use crate::resolve::Point;
use std::collections::BTreeMap;

/// Findings that are looked at before the rest of the points is left alone.
const MAX_LOOKED_AT: usize = 20_000;

/// Findings of many points.
#[derive(Default)]
pub struct Merged {
    found: Vec<Found>,
    /// Where findings of a code at a place stand in `found`.
    by_place: BTreeMap<(Code, Option<Span>), Vec<usize>>,
    n_looked_at: usize,
}

struct Found {
    diagnostic: Diagnostic,
    /// The points, by index: the first, the latest, and how many.
    first: usize,
    latest: usize,
    n: usize,
}

impl Merged {
    /// Takes the findings of a point; points come in order. Two findings of one code at one place are the
    /// same if they are of different points: what differs in their words is what the sweep varies.
    pub fn add(&mut self, point: usize, found: Diagnostics) {
        for diagnostic in found.iter() {
            self.n_looked_at += 1;
            let place = (diagnostic.code, diagnostic.primary.as_ref().map(|label| label.span));
            let there = self.by_place.entry(place).or_default();
            let at = |i: &usize| self.found.get(*i);
            let same = there.iter().copied().find(|i| at(i).is_some_and(|f| f.diagnostic == *diagnostic));
            let same = same.or_else(|| there.iter().copied().find(|i| at(i).is_some_and(|f| f.latest != point)));
            match same.and_then(|i| self.found.get_mut(i)) {
                Some(known) => {
                    known.n += usize::from(known.latest != point);
                    known.latest = point;
                }
                None => {
                    there.push(self.found.len());
                    self.found.push(Found { diagnostic: diagnostic.clone(), first: point, latest: point, n: 1 });
                }
            }
        }
    }

    /// Whether enough was found that further points would only repeat it.
    pub fn is_spent(&self) -> bool {
        self.n_looked_at > MAX_LOOKED_AT
    }

    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|f| f.diagnostic.severity == crate::base::Severity::Error)
    }

    /// Hands the findings over, each with the points that it concerns.
    pub fn finish(self, points: &[Point], out: &mut Diagnostics) {
        let spent = self.is_spent();
        for Found { diagnostic, first, n, .. } in self.found {
            let note = match points.get(first) {
                _ if points.len() < 2 => None,
                _ if spent => Some(format!("at {n} points at least")),
                _ if n == points.len() => Some(format!("at all {n} points of the sweep")),
                Some(point) if n == 1 => Some(format!("at 1 of {} points, `{point}`", points.len())),
                Some(point) => Some(format!("at {n} of {} points, the first is `{point}`", points.len())),
                None => None,
            };
            out.push(match note {
                Some(note) => diagnostic.note(note),
                None => diagnostic,
            });
        }
    }
}
