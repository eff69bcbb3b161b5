//! Columns.

use crate::wire::control::Status;

use super::words::printable;

/// Lays rows out in columns as wide as their longest cell. A column that no row but the first, the headings, fills is
/// left out.
pub(super) fn lay_out(rows: &[Vec<String>]) -> Vec<String> {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let filled = cells.clone().skip(1).any(|cell| !cell.is_empty());
        let longest = cells.map(|cell| cell.chars().count()).max();
        longest.filter(|_| filled)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            if let Some(width) = *width {
                line += &format!("  {cell:width$}");
            }
        }
        line.trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// Instances to choose from.
pub(super) fn instances<'a>(all: impl Iterator<Item = &'a Status>) -> String {
    let mut rows = vec![["NAME", "PID", "LISTENS ON"].map(String::from).to_vec()];
    for status in all {
        let uris = status.listeners.iter().map(|l| printable(&l.uri));
        rows.push(vec![
            printable(&status.name),
            status.pid.to_string(),
            uris.collect::<Vec<_>>().join(" "),
        ]);
    }
    lay_out(&rows).join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_say_nothing_are_left_out() {
        let rows = [["A", "B", "C"], ["1", "", "ü"], ["222", "", ""]];
        let rows = rows.map(|row| row.map(String::from).to_vec());
        assert_eq!(lay_out(&rows), ["  A    C", "  1    ü", "  222"]);
    }
}
