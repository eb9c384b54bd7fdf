use super::grammar::Rule;
use super::words::word;

#[test]
fn every_rule_a_message_can_name_has_a_word() {
    let shown = Rule::all_rules().iter().filter(|rule| !word(**rule).is_empty()).count();
    assert!(shown > 60, "only {shown} rules have a word");
    for rule in Rule::all_rules() {
        let (word, name) = (word(*rule), format!("{rule:?}"));
        assert!(!word.contains('_') && (word.is_empty() || word != name), "{name} is shown as {word}");
    }
}
