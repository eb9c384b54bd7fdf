//! Proofs by formula: the arms and points of a sweep share their schedules, and each is proved once.
//! Proofs are functions of the formula alone, so remembering them changes nothing but the time.

use super::Formula;
use super::prove::{Proof, Refutation, prove};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is kept of one compilation; a spec has a handful of schedules.
const MAX_KEPT: usize = 256;

pub type Verdict = Result<Arc<Proof>, Arc<Vec<Refutation>>>;

thread_local! {
    // A compilation is one thread, see `cli::front`.
    static KNOWN: RefCell<Known> = RefCell::default();
}

#[derive(Default)]
struct Known {
    simplified: BTreeMap<Formula, Formula>,
    proved: BTreeMap<Formula, Verdict>,
    same: BTreeMap<(Formula, Formula), bool>,
}

fn remembered<K: Ord + Clone, V: Clone>(
    table: fn(&mut Known) -> &mut BTreeMap<K, V>,
    key: &K,
    make: impl FnOnce() -> V,
) -> V {
    let known = KNOWN.with(|known| known.try_borrow_mut().ok().and_then(|mut k| table(&mut k).get(key).cloned()));
    known.unwrap_or_else(|| {
        let value = make();
        KNOWN.with(|known| {
            if let Ok(mut known) = known.try_borrow_mut() {
                let table = table(&mut known);
                if table.len() >= MAX_KEPT {
                    table.clear();
                }
                table.insert(key.clone(), value.clone());
            }
        });
        value
    })
}

impl Formula {
    /// [`Formula::simplify`]
    pub fn simplified(&self) -> Formula {
        remembered(|k| &mut k.simplified, self, || self.simplify())
    }

    /// [`prove`]
    pub fn proved(&self) -> Verdict {
        remembered(|k| &mut k.proved, self, || prove(self).map(Arc::new).map_err(Arc::new))
    }

    /// [`Formula::is_same_as`]
    pub fn is_provably(&self, other: &Formula) -> bool {
        remembered(|k| &mut k.same, &(self.clone(), other.clone()), || self.is_same_as(other))
    }
}
