//! Diagnostics as plain data. Stages say what is wrong; `cli::render` alone decides how it looks.

use super::source::Span;

/// A stable code such as `E0214`. Every code stands in [`CODES`] and has a failing case in `tests/cases`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub &'static str);

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
}

/// A place with a few words. An empty text underlines only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One thing that is wrong (or odd) with a spec: what, where, what was expected, how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    /// Where the mistake is. `None` only where there is no text at all (a file that cannot be read).
    pub primary: Option<Label>,
    /// The other places that make it a mistake.
    pub related: Vec<Label>,
    pub notes: Vec<String>,
    pub help: Vec<String>,
}

impl Diagnostic {
    pub fn error(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            related: vec![],
            notes: vec![],
            help: vec![],
        }
    }

    pub fn warning(code: Code, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    pub fn at(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.primary = Some(Label { span, text: text.into() });
        self
    }

    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.related.push(Label { span, text: text.into() });
        self
    }

    pub fn note(mut self, text: impl Into<String>) -> Diagnostic {
        self.notes.push(text.into());
        self
    }

    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help.push(text.into());
        self
    }
}

/// Diagnostics gathered over a stage. Pushing never stops the stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    /// Findings of each severity that were not kept.
    n_dropped: [usize; 2],
}

/// Findings of one severity that are kept: more than anybody reads, few enough to compare and show quickly.
pub const MAX_KEPT: usize = 200;

impl Diagnostics {
    /// Adds one, unless the very same finding is there already (two arms that share a model find
    /// the same mistake twice).
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.list.contains(&diagnostic) {
            return;
        }
        let severity = diagnostic.severity;
        if self.n_kept(severity) < MAX_KEPT {
            self.list.push(diagnostic);
        } else if let Some(n) = self.n_dropped.get_mut(severity as usize) {
            *n += 1;
        }
    }

    pub fn extend(&mut self, other: Diagnostics) {
        for (mine, theirs) in self.n_dropped.iter_mut().zip(other.n_dropped) {
            *mine += theirs;
        }
        for diagnostic in other.list {
            self.push(diagnostic);
        }
    }

    fn n_kept(&self, severity: Severity) -> usize {
        self.list.iter().filter(|d| d.severity == severity).count()
    }

    /// Whether further errors will only be counted.
    pub fn is_full(&self) -> bool {
        self.n_kept(Severity::Error) >= MAX_KEPT
    }

    /// Findings beyond [`MAX_KEPT`], which are only counted.
    pub fn n_dropped(&self) -> usize {
        self.n_dropped.iter().sum()
    }

    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|d| d.severity == Severity::Error)
    }

    pub fn n_errors(&self) -> usize {
        self.n_kept(Severity::Error) + self.n_dropped.first().copied().unwrap_or(0)
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// Takes findings out.
    pub fn retain(&mut self, keep: impl Fn(&Diagnostic) -> bool) {
        self.list.retain(keep);
    }

    /// In reading order: by file, then by place; those without a place first.
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut all: Vec<&Diagnostic> = self.list.iter().collect();
        all.sort_by_key(|d| (d.primary.as_ref().map(|p| (p.span.file, p.span.start, p.span.end)), d.code));
        all
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $id:literal;)*) => {
        /// Every code there is. The doc line of each is its title.
        pub mod code {
            use super::Code;
            $($(#[doc = $doc])+ pub const $name: Code = Code($id);)*
        }
        /// (code, constant's name, title), sorted by code.
        pub const CODES: &[(Code, &str, &str)] = &[$((Code($id), stringify!($name), concat!($($doc),+)),)*];
    };
}

codes! {
    // E01..: reading and syntax
    /// a file that cannot be read
    UNREADABLE = "E0101";
    /// a file that is not UTF-8 text
    NOT_UTF8 = "E0102";
    /// a file with nothing in it
    EMPTY_FILE = "E0103";
    /// a file over 512 KiB
    TOO_LARGE = "E0104";
    /// nesting deeper than 256, or an expression of more than 256 operators
    TOO_DEEP = "E0105";
    /// text that does not fit the grammar
    SYNTAX = "E0106";
    /// two fields or statements on one line without a comma
    MISSING_SEPARATOR = "E0107";
    /// a number that cannot be represented
    BAD_NUMBER = "E0108";
    /// an unknown unit
    UNKNOWN_UNIT = "E0109";
    /// a file for another version of the language
    LANGUAGE_VERSION = "E0115";
    // E02..: names and imports
    /// a name that nothing in scope carries
    UNKNOWN_NAME = "E0201";
    /// a name that is defined twice
    DUPLICATE_NAME = "E0202";
    /// a definition or import that no experiment reaches
    UNUSED = "E0203";
    /// files that import each other in a circle
    CIRCULAR_USE = "E0204";
    /// a `use` of a file that cannot be read
    USE_FAILED = "E0205";
    /// a name that is there but is of another kind
    WRONG_KIND = "E0206";
    /// a block that calls itself
    RECURSIVE_BLOCK = "E0207";
    /// a field or argument that does not exist
    UNKNOWN_FIELD = "E0208";
    /// a field or argument that is given twice
    DUPLICATE_FIELD = "E0209";
    /// a field or argument that has to be there
    MISSING_FIELD = "E0210";
    /// no experiment, or more than one without a choice
    WHICH_EXPERIMENT = "E0211";
    /// a `--set` that does not fit
    BAD_OVERRIDE = "E0212";
    /// a name that could mean several things
    AMBIGUOUS_NAME = "E0213";
    /// lets or definitions that are made of themselves
    CIRCULAR_VALUE = "E0214";
    /// a `--point` that selects nothing
    BAD_POINT = "E0215";
    /// an assumption without a value and a reason
    BAD_ASSUMPTION = "E0216";
    // E03..: values, units, budgets, arms
    /// a value of the wrong type
    WRONG_TYPE = "E0301";
    /// a number with the wrong unit, or without one where it is due
    WRONG_UNIT = "E0302";
    /// a number outside its range
    OUT_OF_RANGE = "E0303";
    /// a number that has to be whole
    NOT_WHOLE = "E0304";
    /// a budget that contradicts itself
    BUDGET_CONFLICT = "E0305";
    /// a budget that leaves something open
    BUDGET_OPEN = "E0306";
    /// arms that differ in more than their declared factors
    UNDECLARED_DIFFERENCE = "E0307";
    /// a schedule whose ends miss 1 or 0
    SCHEDULE_ENDS = "E0308";
    /// a schedule that rises, or leaves [0, 1], or has no value
    SCHEDULE_SHAPE = "E0309";
    /// an expression that has no value
    BAD_ARITHMETIC = "E0310";
    /// an option that has no effect here
    NO_EFFECT = "E0311";
    /// a claim that makes no sense for its experiment
    BAD_CLAIM = "E0312";
    /// a batch that does not divide into micro-batches
    BATCH_SPLIT = "E0313";
    /// a sweep that cannot be read
    BAD_SWEEP = "E0320";
    /// a path that is set in two places at once
    SWEPT_TWICE = "E0321";
    /// points of a sweep that are the same
    DUPLICATE_POINT = "E0322";
    /// a sweep that keeps no point
    NO_POINTS = "E0323";
    /// more than 10,000 runs
    TOO_MANY_POINTS = "E0324";
    /// a schedule that jumps
    SCHEDULE_JUMP = "E0330";
    /// a formula of which something could be neither proved nor refuted
    UNDECIDED = "E0331";
    /// a loss weight that is infinite or negative where t is drawn
    BAD_WEIGHT = "E0332";
    /// a condition of a formula that compares its variable with no number
    BAD_PIECE = "E0333";
    /// a block that does not divide its sequence
    BLOCK_SPLIT = "E0334";
    /// a schedule that does not fit its objective
    UNFIT_SCHEDULE = "E0335";
    /// a way to draw the noise level that does not fit its objective or schedule
    UNFIT_T = "E0336";
    /// a sampler that does not fit its objective
    UNFIT_SAMPLER = "E0337";
    /// blocks or steps of a sampler that do not divide the text
    SAMPLER_SPLIT = "E0338";
    /// a task under an objective that gives answers no likelihood
    UNFIT_TASK = "E0339";
    // E034.: claims
    /// a `let` of claims that is used before it is defined, or by itself
    LET_ORDER = "E0340";
    /// values of a claim that do not go together
    CLAIM_TYPE = "E0341";
    /// a condition that no point of the sweep meets
    NO_POINT = "E0342";
    /// a claim that says nothing about the runs
    CLAIMS_NOTHING = "E0343";
    /// too few evaluations to decide a claim
    FEW_EVALUATIONS = "E0344";
    /// arms that have too few trials to choose from, or different numbers of them
    UNEQUAL_TRIALS = "E0345";
    /// arms of one claim that are not evaluated alike
    UNPAIRED_ARMS = "E0346";
    /// a claim over a metric that nobody measures
    UNMEASURED = "E0347";
    // E04..: the model graph
    /// tensors whose shapes do not fit
    SHAPE_MISMATCH = "E0401";
    /// a width that its heads do not divide
    HEADS = "E0402";
    /// two parameters on one path
    PATH_COLLISION = "E0403";
    /// a symbolic dimension where a static number is due
    DYNAMIC_SHAPE = "E0404";
    /// a tensor where a number is due, or the reverse
    TENSOR_OR_NUMBER = "E0405";
    /// a repeat whose body changes the shape of what it carries
    CARRIED_SHAPE = "E0406";
    /// a model that does not return logits
    NO_LOGITS = "E0407";
    /// a repeat or a model that is too large
    TOO_MANY = "E0408";
    /// the number of values returned and bound differ
    RETURN_COUNT = "E0409";
    /// a model that reads the noise level `t` under an objective without one
    NO_NOISE_LEVEL = "E0410";
    /// a name that has no value on the way that is taken
    UNASSIGNED = "E0411";
    /// a requirement of a block that is not met
    REQUIREMENT = "E0412";
    /// a block given as an argument that does not fit its parameter
    BLOCK_ARGUMENT = "E0413";
    /// a model that does not read the noise level `t`, under an objective that needs it
    UNREAD_NOISE_LEVEL = "E0414";
    /// a training step that does not fit into `train.memory`, whatever is computed again
    NO_ROOM = "E0415";
    // E05..: data
    /// a corpus that is not there
    MISSING_CORPUS = "E0501";
    /// a corpus smaller than the budget asks for
    CORPUS_TOO_SMALL = "E0502";
    /// text that the tokenizer cannot take
    UNTOKENIZABLE = "E0503";
    /// a tokenizer that makes no ids of such a source
    UNFIT_TOKENIZER = "E0504";
    /// rows of jsonl that hold no text
    MALFORMED_ROWS = "E0505";
    /// a file of ids that is not what the source says
    DAMAGED_TOKENS = "E0506";
    /// a tokenizer's file that holds other ids than declared
    BAD_TOKENIZER = "E0507";
    /// rows that are no items of a task
    BAD_ITEMS = "E0510";
    // W..: odd but allowed
    /// a schedule whose ends miss 1 or 0 by a little
    SCHEDULE_NEAR_ENDS = "W0301";
    /// a training loss that is no bound on the likelihood
    NOT_A_BOUND = "W0302";
    /// too few validation documents for an interval
    FEW_DOCUMENTS = "W0303";
    /// a claim about an axis that `--set` took away
    CLAIM_LEFT_OUT = "W0304";
    /// a corpus in the folder of `DLMC_DATA`, which is not set
    CORPUS_ELSEWHERE = "W0501";
}
