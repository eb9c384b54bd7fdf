//! What a verdict means for a claim, and how the verdicts of several points become one.

/// For the reader, and for the exit code under `--strict`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Held,
    Failed,
    Undecided,
}

impl Outcome {
    /// `no`: held and failed change places, undecided stays.
    pub fn turned(self) -> Outcome {
        match self {
            Outcome::Held => Outcome::Failed,
            Outcome::Failed => Outcome::Held,
            Outcome::Undecided => Outcome::Undecided,
        }
    }

    /// Of all: fails if any fails, holds if all hold. Of nothing, nothing is decided.
    pub fn of_all(outcomes: impl IntoIterator<Item = Outcome>) -> Outcome {
        let all: Vec<Outcome> = outcomes.into_iter().collect();
        if all.contains(&Outcome::Failed) {
            Outcome::Failed
        } else if all.is_empty() || all.contains(&Outcome::Undecided) {
            Outcome::Undecided
        } else {
            Outcome::Held
        }
    }

    /// Whether a range of values lies where the claim wants it, surely does not, or may do both.
    pub fn of(inside: bool, outside: bool) -> Outcome {
        match (inside, outside) {
            (true, _) => Outcome::Held,
            (false, true) => Outcome::Failed,
            (false, false) => Outcome::Undecided,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Outcome::Held => "held",
            Outcome::Failed => "failed",
            Outcome::Undecided => "undecided",
        }
    }
}
