//! The command line.

use std::path::PathBuf;

/// `cargo xtask bench --help` shows it too, without building anything.
pub(crate) const HELP: &str = include_str!("../help.txt");

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Options {
    pub(crate) program: PathBuf,
    pub(crate) against: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) quick: bool,
    figures: Vec<String>,
}

impl Options {
    /// `None` if help was asked for.
    pub(crate) fn parse(args: &[String]) -> Result<Option<Self>, String> {
        let mut this = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let mut path = || {
                args.next()
                    .map(PathBuf::from)
                    .ok_or(format!("{arg} wants a path"))
            };
            match arg.as_str() {
                "-h" | "--help" => return Ok(None),
                "--quick" => this.quick = true,
                "--program" => this.program = path()?,
                "--against" => this.against = Some(path()?),
                "--json" => this.json = Some(path()?),
                name if crate::MEASURES.iter().any(|(known, _)| *known == name) => {
                    this.figures.push(name.into());
                }
                unknown => return Err(format!("there is no option and no figure `{unknown}`")),
            }
        }
        if this.program.as_os_str().is_empty() {
            return Err("--program says what to measure; `cargo xtask bench` does that".into());
        }
        Ok(Some(this))
    }

    /// Whether these figures are wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.figures.is_empty() || self.figures.iter().any(|figure| figure == name)
    }

    /// This many, or so few in a quick run.
    pub(crate) fn count<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}
