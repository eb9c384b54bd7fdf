//! What can go wrong below the program.

use crate::graph::training::TrainingError;

/// Why one operation failed, without where.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error("{}", first_line(.0))]
    Torch(#[from] tch::TchError),
    #[error("{0}")]
    Kernel(String),
    #[error("got {got} tensors, takes {takes}")]
    Arity { got: usize, takes: usize },
    #[error("a tensor of shape {0:?} does not fit")]
    Shape(Vec<i64>),
}

/// libtorch appends a C++ stack to its messages.
fn first_line(error: &tch::TchError) -> String {
    let text = match error {
        tch::TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or("").to_string()
}

#[derive(Debug, thiserror::Error)]
pub enum LowerError {
    #[error("{op} in {}: {fault}", if scope.is_empty() { "the model" } else { scope })]
    Op { op: &'static str, scope: String, fault: Fault },
    #[error("the program reads `{0}`, which was not given")]
    MissingInput(&'static str),
    #[error("`{name}` is not as the program takes it: {what}")]
    Input { name: &'static str, what: String },
    #[error("the program has {takes} parameters, {got} were given")]
    Params { got: usize, takes: usize },
    #[error("no graph to run: {0}")]
    Graph(#[from] TrainingError),
    #[error("{op} reads a slot that is empty")]
    EmptySlot { op: &'static str },
    #[error("the cache: {0}")]
    Cache(String),
    #[error("weights: {0}")]
    Weights(String),
    #[error("optimizer: {0}")]
    Optimizer(Fault),
    #[error("{0}")]
    Device(String),
}

impl From<Fault> for LowerError {
    fn from(fault: Fault) -> LowerError {
        LowerError::Weights(fault.to_string())
    }
}

impl From<tch::TchError> for LowerError {
    fn from(error: tch::TchError) -> LowerError {
        Fault::from(error).into()
    }
}
