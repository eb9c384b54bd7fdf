//! Rows of multiple-choice files as questions with options, for each format that is known. Prompts are word for word
//! those of lm-evaluation-harness (`lm_eval/tasks/{hellaswag,mmlu,arc,piqa}`), whose figures are the common ones.

use crate::check::spec::TaskFormat;
use serde_json::Value;

/// A row without the examples that may stand before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Examples are of the same group: MMLU's subject, elsewhere nothing.
    pub group: String,
    /// What stands before everything.
    pub header: String,
    pub prompt: String,
    /// Between the prompt and an option.
    pub delimiter: &'static str,
    pub options: Vec<String>,
    pub right: usize,
}

/// Options of a row at most: letters have to last.
const MAX_OPTIONS: usize = 26;

/// The row as a question, or what is wrong with it.
pub fn question(format: TaskFormat, row: &Value) -> Result<Question, String> {
    if !row.is_object() {
        return Err("it is no object".into());
    }
    let question = match format {
        TaskFormat::Hellaswag => hellaswag(row),
        TaskFormat::MmluLetters => mmlu(row, true),
        TaskFormat::MmluCloze => mmlu(row, false),
        TaskFormat::Arc => arc(row),
        TaskFormat::Piqa => {
            let options = vec![text(row, "sol1")?.to_string(), text(row, "sol2")?.to_string()];
            let right = index(row, "label", &[], options.len())?;
            Ok(plain(format!("Question: {}\nAnswer:", text(row, "goal")?), options, right))
        }
        TaskFormat::Options => {
            let options = texts(row.get("options"), "options")?;
            let right = index(row, "answer", &[], options.len())?;
            Ok(Question { delimiter: "", ..plain(text(row, "context")?.to_string(), options, right) })
        }
    }?;
    match question.options.iter().position(|option| option.trim().is_empty()) {
        Some(empty) => Err(format!("option {} is empty", empty + 1)),
        None => Ok(question),
    }
}

fn plain(prompt: String, options: Vec<String>, right: usize) -> Question {
    Question { group: String::new(), header: String::new(), prompt, delimiter: " ", options, right }
}

/// The official rows (`activity_label`, `ctx_a`, `ctx_b`), or those that are joined already (`ctx`).
fn hellaswag(row: &Value) -> Result<Question, String> {
    let prompt = match row.get("ctx_a") {
        Some(_) => {
            let end = capitalized(text(row, "ctx_b")?);
            cleaned(&format!("{}: {} {end}", text(row, "activity_label")?, text(row, "ctx_a")?))
        }
        None => cleaned(text(row, "ctx")?),
    };
    let options: Vec<String> = texts(row.get("endings"), "endings")?.iter().map(|ending| cleaned(ending)).collect();
    let right = index(row, "label", &[], options.len())?;
    Ok(plain(prompt, options, right))
}

/// WikiHow's brackets are no text.
fn cleaned(text: &str) -> String {
    let text = text.trim().replace(" [title]", ". ");
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    // A bracket that closes on its own line goes with what is in it; others stay.
    while let Some((before, after)) = rest.split_once('[') {
        out.push_str(before);
        match after.find([']', '\n']) {
            Some(end) if after.get(end..).is_some_and(|found| found.starts_with(']')) => {
                rest = after.get(end + 1..).unwrap_or("");
            }
            _ => {
                out.push('[');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out.replace("  ", " ")
}

/// As Python's `str.capitalize`: the rest becomes small.
fn capitalized(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars.flat_map(char::to_lowercase)).collect())
}

fn mmlu(row: &Value, letters: bool) -> Result<Question, String> {
    let group = text(row, "subject")?.to_string();
    let choices = texts(row.get("choices"), "choices")?;
    let names: Vec<String> = ('A'..='Z').take(choices.len()).map(String::from).collect();
    let right = index(row, "answer", &names, choices.len())?;
    let question = text(row, "question")?.trim();
    let subject = group.replace('_', " ");
    Ok(if letters {
        let listed: Vec<String> =
            names.iter().zip(&choices).map(|(name, choice)| format!("{name}. {choice}")).collect();
        Question {
            header: format!("The following are multiple choice questions (with answers) about {subject}.\n\n"),
            group,
            ..plain(format!("{question}\n{}\nAnswer:", listed.join("\n")), names, right)
        }
    } else {
        Question {
            header: format!("The following are questions (with answers) about {subject}.\n\n"),
            group,
            ..plain(format!("Question: {question}\nAnswer:"), choices, right)
        }
    })
}

/// AI2's own rows (`question.stem`, `question.choices`, `answerKey`), those of the `datasets` library (`choices.text`,
/// `choices.label`, `answerKey`), or plain ones (`choices`, and `answer` by its number from 0).
fn arc(row: &Value) -> Result<Question, String> {
    let nested = row.get("question").filter(|question| question.is_object());
    let stem = match nested {
        Some(question) => text(question, "stem")?,
        None => text(row, "question")?,
    };
    let choices = nested.unwrap_or(row).get("choices");
    let (options, names) = match choices {
        Some(Value::Object(columns)) => {
            (texts(columns.get("text"), "choices.text")?, texts(columns.get("label"), "choices.label")?)
        }
        Some(Value::Array(all)) if all.iter().all(Value::is_object) => {
            let column = |name: &str| all.iter().map(|one| text(one, name).map(String::from)).collect::<Result<_, _>>();
            (column("text")?, column("label")?)
        }
        other => (texts(other, "choices")?, vec![]),
    };
    check_number(options.len(), "choices")?;
    let key = if row.get("answerKey").is_some() { "answerKey" } else { "answer" };
    let right = index(row, key, &names, options.len())?;
    Ok(plain(format!("Question: {stem}\nAnswer:"), options, right))
}

fn text<'a>(row: &'a Value, field: &str) -> Result<&'a str, String> {
    match row.get(field) {
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("`{field}` is no text")),
        None => Err(format!("it has no field `{field}`")),
    }
}

fn texts(value: Option<&Value>, field: &str) -> Result<Vec<String>, String> {
    let Some(value) = value else { return Err(format!("it has no field `{field}`")) };
    let all: Option<Vec<String>> =
        value.as_array().and_then(|all| all.iter().map(|one| one.as_str().map(String::from)).collect());
    let Some(all) = all else { return Err(format!("`{field}` is no list of texts")) };
    check_number(all.len(), field)?;
    Ok(all)
}

fn check_number(n: usize, field: &str) -> Result<(), String> {
    if (2..=MAX_OPTIONS).contains(&n) {
        Ok(())
    } else {
        Err(format!("`{field}` has {n} options; 2 to {MAX_OPTIONS} are possible"))
    }
}

/// Which option is right: its number from 0, that number as a text, or its name.
fn index(row: &Value, field: &str, names: &[String], n: usize) -> Result<usize, String> {
    let found = match row.get(field) {
        None => return Err(format!("it has no field `{field}`")),
        Some(Value::String(name)) => match names.iter().position(|known| known == name) {
            Some(found) => Some(found as u64),
            None => name.parse().ok().filter(|_| names.first().is_none_or(|first| first == "A")),
        },
        Some(number) => number.as_u64(),
    };
    match found {
        Some(i) if (i as usize) < n => Ok(i as usize),
        _ => {
            let names = if names.is_empty() { String::new() } else { format!(", or {}", names.join(", ")) };
            Err(format!(
                "`{field}` is {}, which is no option: 0 to {}{names}",
                shown(row.get(field)),
                n.saturating_sub(1)
            ))
        }
    }
}

fn shown(value: Option<&Value>) -> String {
    /// Beyond, a value is no longer shown whole.
    const MAX: usize = 20;
    let text = value.map_or(String::new(), Value::to_string);
    if text.chars().count() <= MAX { text } else { format!("{}...", text.chars().take(MAX).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn hellaswag_is_cleaned_as_the_harness_does() {
        let official = json!({
            "activity_label": "Baking", "ctx_a": "A [header] How to bake [title] Preheat.  Mix [step] it.",
            "ctx_b": "the COOK", "endings": ["stirs [substeps] well.", " eats [title] it "], "label": "1",
        });
        let found = question(TaskFormat::Hellaswag, &official).unwrap();
        assert_eq!(found.prompt, "Baking: A How to bake. Preheat. Mix it. The cook");
        // Two blanks become one once, as there: the brackets leave some.
        assert_eq!(found.options, ["stirs well.", "eats. it"]);
        assert_eq!((found.right, found.delimiter), (1, " "));
        let joined = json!({"ctx": "Roof: a man. he", "endings": ["is off. ", "sits"], "label": 0});
        let found = question(TaskFormat::Hellaswag, &joined).unwrap();
        assert_eq!((found.prompt.as_str(), found.options.first().unwrap().as_str()), ("Roof: a man. he", "is off."));
        assert_eq!(cleaned("a [b\nc] [d"), "a [b\nc] [d");
    }

    #[test]
    fn mmlu_has_letters_or_texts() {
        let row = json!({"subject": "high_school_x", "question": " Why? ", "choices": ["p", "q"], "answer": "B"});
        let letters = question(TaskFormat::MmluLetters, &row).unwrap();
        assert_eq!(letters.prompt, "Why?\nA. p\nB. q\nAnswer:");
        assert_eq!(
            letters.header,
            "The following are multiple choice questions (with answers) about high school x.\n\n"
        );
        assert_eq!((letters.options, letters.right), (vec!["A".to_string(), "B".into()], 1));
        let cloze = question(TaskFormat::MmluCloze, &row).unwrap();
        assert_eq!(
            (cloze.prompt.as_str(), cloze.options),
            ("Question: Why?\nAnswer:", vec!["p".to_string(), "q".into()])
        );
    }

    #[test]
    fn arc_comes_in_three_forms() {
        let forms = [
            json!({"question": "Q?", "choices": ["x", "y", "z"], "answer": 2}),
            json!({"question": "Q?", "choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, "answerKey": "3"}),
            json!({"question": {"stem": "Q?", "choices": [
                {"text": "x", "label": "A"}, {"text": "y", "label": "B"}, {"text": "z", "label": "C"},
            ]}, "answerKey": "C"}),
        ];
        for form in forms {
            let found = question(TaskFormat::Arc, &form).unwrap();
            assert_eq!((found.prompt.as_str(), found.right), ("Question: Q?\nAnswer:", 2), "{form}");
            assert_eq!(found.options, ["x", "y", "z"]);
        }
    }

    #[test]
    fn what_is_wrong_with_a_row_is_said() {
        let said = |format, row| question(format, &row).unwrap_err();
        assert_eq!(said(TaskFormat::Piqa, json!([1])), "it is no object");
        assert_eq!(said(TaskFormat::Piqa, json!({"goal": "g", "sol1": "a"})), "it has no field `sol2`");
        let piqa = json!({"goal": "g", "sol1": "a", "sol2": "b", "label": 2});
        assert_eq!(said(TaskFormat::Piqa, piqa), "`label` is 2, which is no option: 0 to 1");
        let row = |options: Value, answer: Value| json!({"context": "c", "options": options, "answer": answer});
        assert_eq!(said(TaskFormat::Options, row(json!(["a", 3]), json!(0))), "`options` is no list of texts");
        assert_eq!(
            said(TaskFormat::Options, row(json!(["a"]), json!(0))),
            "`options` has 1 options; 2 to 26 are possible"
        );
        assert_eq!(said(TaskFormat::Options, row(json!(["a", " "]), json!(0))), "option 2 is empty");
        assert_eq!(
            said(TaskFormat::Options, row(json!(["a", "b"]), json!(-1))),
            "`answer` is -1, which is no option: 0 to 1"
        );
        let hellaswag = json!({"ctx": 3, "endings": ["a", "b"], "label": ""});
        assert_eq!(said(TaskFormat::Hellaswag, hellaswag), "`ctx` is no text");
        let arc = json!({"question": "Q", "choices": {"text": ["x", "y"], "label": ["1", "2"]}, "answerKey": "9"});
        assert_eq!(said(TaskFormat::Arc, arc), "`answerKey` is \"9\", which is no option: 0 to 1, or 1, 2");
    }
}
