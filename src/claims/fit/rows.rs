//! Runs from a table of comma-separated values, for fits on somebody else's runs.

use super::TrainedRun;

/// What a table holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub runs: Vec<TrainedRun>,
    /// Rows that the table itself leaves out (`in_fit_set` is 0).
    pub n_left_out: usize,
}

/// By column the names that it may have.
const COLUMNS: [(&str, &[&str]); 4] = [
    ("params", &["params", "parameters", "N"]),
    ("tokens", &["tokens", "D"]),
    ("unique", &["unique", "unique_tokens", "U"]),
    ("loss", &["loss", "val_loss", "L"]),
];

/// The first line names the columns; others than these, `run` and `in_fit_set` are passed over. Errors name their lines.
pub fn read_csv(text: &str) -> Result<Table, Vec<String>> {
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let Some((_, head)) = lines.next() else { return Err(vec!["the table is empty".into()]) };
    let head: Vec<String> = cells(head.trim_start_matches('\u{feff}'));
    let place = |names: &[&str]| head.iter().position(|cell| names.contains(&cell.as_str()));
    let mut problems = vec![];
    let mut places = vec![];
    for (column, names) in COLUMNS {
        match place(names) {
            Some(at) => places.push((column, at)),
            None => problems.push(format!("no column `{column}`; the first line has {}", head.join(", "))),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let (name_at, kept_at) = (place(&["run", "name"]), place(&["in_fit_set"]));
    let mut table = Table { runs: vec![], n_left_out: 0 };
    for (i, line) in lines {
        let row = cells(line);
        let kept = kept_at.and_then(|at| row.get(at)).is_none_or(|cell| cell != "0");
        if !kept {
            table.n_left_out += 1;
            continue;
        }
        let number = |column: &str| {
            let at = places.iter().find(|(name, _)| *name == column).map_or(usize::MAX, |(_, at)| *at);
            let cell = row.get(at).map_or("", String::as_str);
            cell.parse::<f64>().map_err(|_| match cell {
                "" => format!("line {}: `{column}` is missing", i + 1),
                text => format!("line {}: `{column}` is `{text}`; a number is wanted", i + 1),
            })
        };
        let numbers = COLUMNS.map(|(column, _)| number(column));
        let name = name_at.and_then(|at| row.get(at)).cloned().unwrap_or_else(|| format!("line {}", i + 1));
        match numbers {
            [Ok(params), Ok(tokens), Ok(unique), Ok(loss)] => {
                match TrainedRun::new(&name, params, tokens, unique, loss) {
                    Ok(run) => table.runs.push(run),
                    Err(why) => problems.push(format!("line {}: {why}", i + 1)),
                }
            }
            numbers => problems.extend(numbers.into_iter().filter_map(Result::err)),
        }
    }
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

/// The cells of a line; a cell in double quotes may hold commas, and `""` is a quote.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let (mut quoted, mut letters) = (false, line.trim_end_matches('\r').chars().peekable());
    while let Some(letter) = letters.next() {
        let Some(cell) = cells.last_mut() else { break };
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cell.push(other),
        }
    }
    cells.into_iter().map(|cell| cell.trim().to_owned()).collect()
}
