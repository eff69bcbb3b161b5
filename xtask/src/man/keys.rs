//! The keys of the configuration file, from the table of flags.

use socketmaster::cli::Form;
use socketmaster::cli::draft::Draft;
use socketmaster::cli::file::keys;
use socketmaster::cli::flag::Flag;
use socketmaster::cli::flags::FLAGS;

/// Each key with its value and what it does, in roff.
pub(super) fn section() -> String {
    let draft = Draft::new(Form::Run);
    let entries = keys::of_flags().map(|(key, flag)| {
        let default = draft.default_of(flag);
        let default = default.map(|default| format!(" (default {default})"));
        format!(
            ".TP\n{} = {}\n{}{}\n",
            bold(&key),
            value(flag),
            of_a_file(flag.help),
            escape(&default.unwrap_or_default())
        )
    });
    entries.collect()
}

/// A value as it is written.
fn value(flag: &Flag) -> String {
    let quoted = |words: &str| format!("\\(dq{words}\\(dq");
    match (flag.name, flag.value) {
        ("listen", _) => "[\\(dq\\fR[\\fINAME\\fR=]\\fIURI\\fR\\(dq, ...]".into(),
        ("adopt", _) => "\\fBtrue\\fR, or [\\(dq\\fIURI\\fR\\(dq, ...]".into(),
        ("env", _) => "[\\(dq\\fIPROTOCOL\\fR\\(dq, ...]".into(),
        (_, None) => "\\fBtrue\\fR or \\fBfalse\\fR".into(),
        (_, Some(number @ ("N" | "MILLIS"))) => italic(number),
        (_, Some(words)) if words.contains('|') => {
            let words = words.split('|').map(|word| quoted(&bold(word)));
            words.collect::<Vec<_>>().join(" or ")
        }
        (_, Some(word)) => quoted(&italic(word)),
    }
}

/// The help of a flag in the words of a file: keys for flags, and lists for what is repeated on a command line.
fn of_a_file(help: &str) -> String {
    let help = help
        .replace("Without this flag", "Without this key")
        .replace("; repeat it for more.", "; a list for several.")
        .replace("Repeat it for more: the program", "Of several, the program")
        .replace(", with commas between:", ":");
    let words = help.split(' ').map(|word| {
        let name = word.trim_end_matches(['.', ',', ';', ':']);
        let flag = FLAGS
            .iter()
            .find(|flag| name.strip_prefix('-') == Some(flag.name));
        match flag {
            Some(flag) => bold(&flag.name.replace('-', "_")) + &word[name.len()..],
            None => escape(word),
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn bold(word: &str) -> String {
    format!("\\fB{}\\fR", escape(word))
}

fn italic(word: &str) -> String {
    format!("\\fI{}\\fR", escape(word))
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}
