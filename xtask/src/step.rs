//! A program that runs as one step, and what its output says about tests.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::error::Error;

/// What came of a step.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) success: bool,
    pub(crate) output: String,
}

/// Runs a program to its end, its two streams as one. `show` prints the lines as they come.
pub(crate) fn run(command: &mut Command, show: bool) -> Result<Outcome, Error> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |source| Error::Run {
        program: program.clone(),
        source,
    };
    let (reader, writer) = std::io::pipe().map_err(failed)?;
    let error = writer.try_clone().map_err(failed)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(error)
        .spawn()
        .map_err(failed)?;
    // The command holds copies of the ends to write to; without this the reading would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = String::new();
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).map_err(failed)? > 0 {
        let text = String::from_utf8_lossy(&line);
        if show {
            print!("{text}");
        }
        output += &text;
        line.clear();
    }
    let success = child.wait().map_err(failed)?.success();
    Ok(Outcome { success, output })
}

impl Outcome {
    /// Tests passed and failed, from libtest's `test result:` lines. A failure without any failed test, as of a
    /// compiler, counts as one; a success without any test, as of a lint, too.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let mut sum = (0, 0);
        let mut any = false;
        for line in self
            .output
            .lines()
            .filter_map(|line| line.strip_prefix("test result: "))
        {
            any = true;
            sum.0 += number_before(line, " passed");
            sum.1 += number_before(line, " failed");
        }
        match (self.success, any) {
            (true, false) => (1, 0),
            (false, _) if sum.1 == 0 => (sum.0, 1),
            _ => sum,
        }
    }

    /// The output without what tests that passed have to say.
    pub(crate) fn of_failures(&self) -> String {
        let mut passed = false;
        let mut shown = String::new();
        for line in self.output.split_inclusive('\n') {
            passed = line == "successes:\n"
                || passed && line != "failures:\n" && !line.starts_with("test result: ");
            if !passed && !line.ends_with(" ... ok\n") {
                shown += line;
            }
        }
        shown
    }

    /// Why tests did not run what they stand for: they say so in lines that begin with `NOT RUN: `.
    pub(crate) fn not_run(&self) -> Vec<&str> {
        self.output
            .lines()
            .filter_map(|line| line.strip_prefix("NOT RUN: "))
            .collect()
    }
}

fn number_before(line: &str, word: &str) -> usize {
    let before = line.split(word).next().unwrap_or_default();
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(success: bool, output: &str) -> Outcome {
        Outcome {
            success,
            output: output.into(),
        }
    }

    #[test]
    fn results_are_summed() {
        let two = "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured\nx\n\
                   test result: FAILED. 3 passed; 2 failed; 0 ignored\n";
        assert_eq!(outcome(false, two).counts(), (15, 2));
        assert_eq!(outcome(true, "").counts(), (1, 0));
        assert_eq!(outcome(false, "error: no").counts(), (0, 1));
        assert_eq!(
            outcome(false, "test result: ok. 4 passed; 0 failed\nerror").counts(),
            (4, 1)
        );
        assert_eq!(
            outcome(true, "test result: ok. 0 passed; 0 failed").counts(),
            (0, 0)
        );
    }

    #[test]
    fn what_passed_is_not_shown() {
        let output = "running 2 tests\ntest a ... ok\ntest b ... FAILED\n\nsuccesses:\n\n---- a stdout ----\nx\n\n\
                      successes:\n    a\n\nfailures:\n\n---- b stdout ----\nwhy\n\nfailures:\n    b\n\ntest result: FAILED.\n";
        let shown = "running 2 tests\ntest b ... FAILED\n\nfailures:\n\n---- b stdout ----\nwhy\n\nfailures:\n    b\n\n\
                     test result: FAILED.\n";
        assert_eq!(outcome(false, output).of_failures(), shown);
    }

    #[test]
    fn both_streams_are_read() {
        let got = run(
            Command::new("sh").args(["-c", "echo a; echo 'NOT RUN: no b' >&2; exit 3"]),
            false,
        )
        .unwrap();
        assert_eq!(got, outcome(false, "a\nNOT RUN: no b\n"));
        assert_eq!(got.not_run(), ["no b"]);
    }
}
