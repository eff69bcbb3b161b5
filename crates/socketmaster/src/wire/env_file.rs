//! Environment files: `NAME=VALUE` lines, as they are written for systemd, Docker and shells.
//!
//! What these read alike is read so here: blank lines and `#` comments are passed over, blanks around name and value are
//! dropped, `export` before a name too, and quotes around a whole value: single ones keep all as it is, double ones know
//! `\"`, `\\`, `\$`, `` \` `` and `\n`. A `$` means itself: those that would put something in its place do not agree on
//! what, and a password must not change on its way. A value ends with its line.

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// No `=` in it.
    #[error("write it as NAME=VALUE")]
    NoValue,
    /// Something that no shell takes for a name.
    #[error("{0:?} is no name: letters, digits and _ only, and no digit first")]
    Name(String),
    /// An opening quote alone.
    #[error("the quote is not closed in its line")]
    Quote,
    /// Something behind the closing quote.
    #[error("nothing may follow the closing quote but a comment")]
    AfterQuote,
    /// A NUL, which no environment can hold.
    #[error("a NUL byte cannot be in the environment")]
    Nul,
}

/// Names and values, in their order.
pub type Variables = Vec<(String, String)>;

/// The variables, or all lines that are wrong, by their numbers from 1.
///
/// # Errors
/// See [`LineError`].
pub fn parse(text: &str) -> Result<Variables, Vec<(usize, LineError)>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut variables, mut wrong) = (Vec::new(), Vec::new());
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        match variable(line) {
            Ok(variable) => variables.push(variable),
            Err(error) => wrong.push((number, error)),
        }
    }
    if wrong.is_empty() {
        Ok(variables)
    } else {
        Err(wrong)
    }
}

fn variable(line: &str) -> Result<(String, String), LineError> {
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => line,
    };
    let (name, value) = line.split_once('=').ok_or(LineError::NoValue)?;
    let name = name.trim_end();
    check_name(name)?;
    let value = unquote(value.trim_start())?;
    if value.contains('\0') {
        return Err(LineError::Nul);
    }
    Ok((name.into(), value))
}

/// Refuses what no shell takes for the name of a variable.
///
/// # Errors
/// [`LineError::Name`].
pub fn check_name(name: &str) -> Result<(), LineError> {
    let is_letter = |c: char| c == '_' || c.is_ascii_alphabetic();
    let fine =
        name.starts_with(is_letter) && name.chars().all(|c| is_letter(c) || c.is_ascii_digit());
    if fine {
        Ok(())
    } else {
        Err(LineError::Name(name.into()))
    }
}

fn unquote(value: &str) -> Result<String, LineError> {
    let Some(quote @ ('"' | '\'')) = value.chars().next() else {
        return Ok(value.into());
    };
    let mut plain = String::new();
    let mut rest = value[1..].chars();
    while let Some(c) = rest.next() {
        if c == quote {
            let after = rest.as_str().trim_start();
            return match after.is_empty() || after.starts_with('#') {
                true => Ok(plain),
                false => Err(LineError::AfterQuote),
            };
        }
        if c != '\\' || quote == '\'' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => plain.push('\n'),
            Some(c @ ('"' | '\\' | '$' | '`')) => plain.push(c),
            Some(c) => plain.extend(['\\', c]),
            None => return Err(LineError::Quote),
        }
    }
    Err(LineError::Quote)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_all_read_alike() {
        let text = "\u{feff}# a comment\n\nA=1\r\n export B = two words \nC=\"x \\\"y\\\" \\$z \\w\\n\" # so\nD='$A \\n'\n\
                    E=\nF=a#b=c\n; another\nexport_G=1";
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "x \"y\" $z \\w\n"),
            ("D", "$A \\n"),
            ("E", ""),
            ("F", "a#b=c"),
            ("export_G", "1"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse(text), Ok(expected.to_vec()));
        assert_eq!(parse(""), Ok(vec![]));
    }

    #[test]
    fn tells_all_lines_that_are_wrong() {
        let text = "A\n2B=1\nC=\"x\nD='x' y\n=1\nE=\0\nF=ok";
        let expected = vec![
            (1, LineError::NoValue),
            (2, LineError::Name("2B".into())),
            (3, LineError::Quote),
            (4, LineError::AfterQuote),
            (5, LineError::Name(String::new())),
            (6, LineError::Nul),
        ];
        assert_eq!(parse(text), Err(expected));
    }
}
