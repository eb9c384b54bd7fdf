//! Who watches a run. What is shown of it, and where, is not training's to say.

use crate::store::metrics::{Eval, Step};

pub trait Watch {
    /// The run begins, or goes on, after `from_step` finished updates.
    fn starts(&mut self, from_step: u64, steps: u64);
    fn step(&mut self, record: &Step);
    fn eval(&mut self, record: &Eval);
    /// Something that a person should know: a damaged checkpoint was passed over.
    fn note(&mut self, text: &str);
}
