//! The user's word for every rule of the grammar. The match has no wildcard: a new rule needs its word.

use super::grammar::Rule;

const VALUE: &str = "a value";
const NAME: &str = "a name";
const OPERATOR: &str = "an operator";
const TYPE: &str = "a type (`int`, `real`, `bool`, a shape such as `[B, T, D]`, or `block([B, T, D]) -> [B, T, D]`)";
/// Never shown: the rule is reached through others, or is part of recovery.
const HIDDEN: &str = "";

/// What a message calls a rule; an empty text is left out of messages.
pub fn word(rule: Rule) -> &'static str {
    match rule {
        Rule::EOI => "the end of the line",
        Rule::WHITESPACE | Rule::COMMENT | Rule::comment_text | Rule::nl | Rule::nls | Rule::sep => HIDDEN,
        Rule::word_char | Rule::reserved | Rule::clause_word | Rule::quote | Rule::string_text => HIDDEN,
        Rule::wrong_equals | Rule::wrong_colon | Rule::tail => HIDDEN,
        Rule::joined_field | Rule::joined_statement | Rule::joined_item | Rule::call_head => HIDDEN,
        Rule::junk | Rule::rest | Rule::bad_entry | Rule::bad_statement | Rule::bad_item | Rule::bad_head => HIDDEN,
        Rule::bad_claim | Rule::base_mark => HIDDEN,
        Rule::swallowed
        | Rule::group_round
        | Rule::group_square
        | Rule::group_curly
        | Rule::inside
        | Rule::inner_plain
        | Rule::inner_char
        | Rule::plain => HIDDEN,
        Rule::file | Rule::items | Rule::head_doc | Rule::raw_string => HIDDEN,
        // Right, but never what a reader is looking for.
        Rule::suffix | Rule::percent | Rule::dot | Rule::alias | Rule::alias_as | Rule::arg_colon => HIDDEN,
        Rule::sharing | Rule::kw_share | Rule::kw_no | Rule::kw_at | Rule::kw_before | Rule::kw_within => HIDDEN,
        Rule::extension | Rule::clause | Rule::expect_name | Rule::expect_field => HIDDEN,

        Rule::ident | Rule::def_name | Rule::use_name | Rule::probe_name => NAME,
        Rule::targets => NAME,
        Rule::path | Rule::arg_name => NAME,
        Rule::kw_use => "`use`",
        Rule::kw_language | Rule::language => "`language`",
        Rule::kw_let | Rule::let_item | Rule::claim_let => "`let`",
        Rule::branch | Rule::branch_arm => "`if`",
        Rule::kw_else => "`else`",
        Rule::kw_require | Rule::demand => "`require`",
        Rule::kw_collect | Rule::gather => "`collect`",
        Rule::kw_schedule => "`schedule`",
        Rule::kw_objective => "`objective`",
        Rule::kw_data => "`data`",
        Rule::kw_train => "`train`",
        Rule::kw_experiment => "`experiment`",
        Rule::kw_block => "`block`",
        Rule::kw_model => "`model`",
        Rule::kw_as => "`as`",
        Rule::kw_repeat | Rule::r#loop => "`repeat`",
        Rule::kw_return | Rule::give => "`return`",
        Rule::colon => "`:`",
        Rule::equals => "`=`",
        Rule::comma => "`,`",
        Rule::arrow => "`->`",
        Rule::open_paren | Rule::arguments | Rule::params => "`(`",
        Rule::close_paren => "`)`",
        Rule::open_bracket => "`[`",
        Rule::close_bracket => "`]`",
        Rule::open_brace | Rule::fields | Rule::statements | Rule::claims | Rule::choice_value => "`{`",
        Rule::close_brace => "`}`",

        Rule::string => "a text in `\"`",
        Rule::boolean | Rule::none | Rule::quantity | Rule::number | Rule::list | Rule::record => VALUE,
        Rule::paren | Rule::called | Rule::invoke | Rule::expr | Rule::head_expr | Rule::arg => VALUE,
        Rule::operand | Rule::head_operand | Rule::negation | Rule::value_only | Rule::probe_loop => VALUE,
        Rule::prefix
        | Rule::inverse
        | Rule::choice
        | Rule::choice_arm
        | Rule::kw_if
        | Rule::branch_head
        | Rule::probe_branch => VALUE,
        Rule::digits | Rule::whole => "a whole number",
        Rule::unit | Rule::unit_word => "a unit",
        Rule::infix | Rule::plus | Rule::minus | Rule::times | Rule::divide | Rule::power => OPERATOR,
        Rule::span_mark | Rule::modulo | Rule::comparison | Rule::both | Rule::either | Rule::member => OPERATOR,

        Rule::entry | Rule::field | Rule::probe_entry => "a field",
        Rule::bare_call => "a call",
        Rule::claim_line | Rule::claim | Rule::probe_claim => "a claim",
        Rule::statement | Rule::a_statement | Rule::bind | Rule::probe_statement => "a statement",
        Rule::loop_head => VALUE,
        Rule::top | Rule::item | Rule::probe_item | Rule::use_item | Rule::schedule | Rule::objective => "a definition",
        Rule::data | Rule::train | Rule::experiment | Rule::block | Rule::model => "a definition",
        Rule::signature | Rule::probe_signature => "a name and its parameters",
        Rule::param => "a parameter",
        Rule::param_type | Rule::type_name => TYPE,
        Rule::block_type => TYPE,
        Rule::shapes | Rule::shape => "a shape such as `[B, T, D]`",
        Rule::dim => "a dimension",
    }
}

/// `a`, `a or b`, `a, b or c`: the words of some rules, each once, in the given order.
pub fn list(rules: &[Rule]) -> String {
    let value = rules.iter().any(|rule| *rule == Rule::digits || word(*rule) == VALUE);
    let mut words: Vec<&str> = vec![];
    for rule in rules {
        let word = if value && begins_value(*rule) { VALUE } else { word(*rule) };
        if word != HIDDEN && !words.contains(&word) {
            words.push(word);
        }
    }
    match words.split_last() {
        None => String::new(),
        Some((last, [])) => (*last).to_string(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
    }
}

/// What a value may begin with; said as one word where a value is expected.
fn begins_value(rule: Rule) -> bool {
    let open = matches!(rule, Rule::open_paren | Rule::open_bracket | Rule::open_brace | Rule::fields);
    open || matches!(rule, Rule::ident | Rule::string | Rule::digits)
}
