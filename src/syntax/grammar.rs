//! The parser that pest makes of `grammar/dlm.pest`.

use pest_derive::Parser;

#[derive(Parser)]
#[grammar = "../grammar/dlm.pest"]
pub struct DlmParser;
