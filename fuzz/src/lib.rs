//! What reads bytes of others, and what must hold whatever they are: that nothing panics, and what each says besides.
//!
//! `cargo fuzz` looks for bytes with which it does not, and keeps in `corpus` those that go another way through the
//! code. `tests/corpus.rs` of the supervisor runs all of them with every test run.

use std::str;

use serde::Serialize;
use serde::de::DeserializeOwned;
use socketmaster::cli::{ConfigFile, Form};
use socketmaster::config::source::{Source, Wording};
use socketmaster::daemon::upgrade::Handover;
use socketmaster::wire::control::{LogsRequest, Progress, ReloadRequest, ScaleRequest, Status};
use socketmaster::wire::env_file;
use socketmaster::wire::exposition::Format;
use socketmaster::wire::forward::{FromForwarder, MESSAGE_MAX, ToForwarder};
use socketmaster::wire::launch::{Adopting, LaunchError, Setup};
use socketmaster::wire::notify::Notice;
use socketmaster::wire::sockaddr;
use socketmaster::wire::split::{LINE_MAX, Splitter};
use socketmaster::wire::uri::ListenUri;

/// Has bytes read, and panics if what must hold does not.
pub type Target = fn(&[u8]);

/// All of them, by the names of their corpora.
pub const TARGETS: &[(&str, Target)] = &[
    ("configuration", configuration),
    ("control_request", control_request),
    ("env_file", env_file),
    ("handover", handover),
    ("listen_uri", listen_uri),
    ("log_lines", log_lines),
    ("message", message),
    ("notice", notice),
    ("sockaddr", sockaddr),
];

/// The configuration file: each mistake has words, and a place in the text if it is one of the text.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let wording = Wording {
        text: text.into(),
        variables: Vec::new(),
    };
    let file = ConfigFile::of(Form::Run, &["app.toml".into()]);
    let Ok(Some(file)) = file else {
        panic!("a file is named");
    };
    match file.again(&wording) {
        Ok(config) => assert!(!config.command.is_empty() && config.workers > 0),
        Err(mistakes) => {
            assert!(!mistakes.all.is_empty());
            for mistake in &mistakes.all {
                assert!(!mistake.what.is_empty());
                let lines = text.matches('\n').count() + 1;
                assert!(
                    mistake
                        .at
                        .is_none_or(|(line, column)| line <= lines && column > 0)
                );
            }
        }
    }
}

/// Environment files: what was read has names that a shell takes, and no NUL.
pub fn env_file(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    match env_file::parse(text) {
        Ok(variables) => {
            for (name, value) in variables {
                assert!(env_file::check_name(&name).is_ok() && !value.contains('\0'));
            }
        }
        Err(wrong) => assert!(wrong.iter().all(|(line, _)| *line <= text.lines().count())),
    }
}

/// The values of `-listen` and `-adopt`: what was read keeps its text without the name, and that reads as the same.
pub fn listen_uri(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let to_listen = |text: &str| text.parse::<ListenUri>();
    for read in [
        &to_listen as &dyn Fn(&str) -> Result<ListenUri, _>,
        &ListenUri::to_adopt,
    ] {
        match read(text) {
            Ok(uri) => assert_eq!(read(&uri.text), Ok(ListenUri { name: None, ..uri })),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

/// What a client of the control socket says, and what a verb is answered.
pub fn control_request(bytes: &[u8]) {
    comes_back::<ReloadRequest>(bytes);
    comes_back::<ScaleRequest>(bytes);
    comes_back::<Progress>(bytes);
    comes_back::<Status>(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = Format::accepted(&text);
    if let Ok(query) = LogsRequest::from_query(&text) {
        assert_eq!(LogsRequest::from_query(&query.to_query()), Ok(query));
    }
}

/// What a worker says on its notify socket: it is ready if a line says so, and only then.
pub fn notice(bytes: &[u8]) {
    let ready = bytes
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"READY=1");
    assert_eq!(Notice::parse(bytes).ready, ready);
}

/// The state that another version of the supervisor left.
pub fn handover(bytes: &[u8]) {
    if let Ok(state) = Handover::read(bytes) {
        let bytes = written(&state);
        let again = Handover::read(&bytes).expect("what we write we can read");
        assert_eq!(written(&again), bytes);
    }
}

/// What supervisor, launcher and forwarder of different versions say to each other: each message fits.
pub fn message(bytes: &[u8]) {
    if let Some(message) = ToForwarder::decode(bytes) {
        let encoded = message.encode();
        let cut = ToForwarder::decode(&encoded).expect("what we write we can read");
        assert!(cut == message || encoded.len() <= MESSAGE_MAX);
    }
    if let Some(message) = FromForwarder::decode(bytes) {
        let encoded = message.encode();
        let cut = FromForwarder::decode(&encoded).expect("what we write we can read");
        assert!(cut == message || encoded.len() <= MESSAGE_MAX);
    }
    comes_back::<Setup>(bytes);
    comes_back::<Adopting>(bytes);
    comes_back::<LaunchError>(bytes);
}

/// What workers print: whatever the sizes of the reads, the same pieces, of which none is longer than a line may be,
/// and nothing is lost. The first two bytes are a size; where it is odd, the rest is repeated up to lines that are too
/// long, so that files need not be.
pub fn log_lines(bytes: &[u8]) {
    let Some((size, bytes)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let size = usize::from(u16::from_le_bytes(*size));
    let times = (size % 2) * 2 * LINE_MAX / bytes.len().max(1) + 1;
    let text = bytes.repeat(times);
    let size = size.max(1 + text.len() / 1000);
    let pieces = split([&text[..]]);
    assert_eq!(split(text.chunks(size)), pieces);
    assert!(pieces.iter().all(|(piece, _)| piece.len() <= LINE_MAX));
    let mut joined = Vec::new();
    for (piece, continues) in &pieces {
        joined.extend(piece);
        joined.extend((!continues).then_some(b'\n'));
    }
    joined.truncate(text.len());
    assert_eq!(joined, text);
}

/// What an adopted program gives to bind: an address is one that bind could take.
pub fn sockaddr(bytes: &[u8]) {
    use socketmaster::wire::sockaddr::SockAddr;
    match sockaddr::parse(bytes) {
        Some(SockAddr::Inet(address)) => assert_ne!(address.port(), 0),
        Some(SockAddr::Path(path)) => assert!(!path.as_os_str().as_encoded_bytes().contains(&0)),
        Some(SockAddr::Abstract(_)) | None => {}
    }
}

fn split<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<(Vec<u8>, bool)> {
    let mut pieces = Vec::new();
    let mut splitter = Splitter::default();
    for chunk in chunks {
        splitter.feed(chunk, |piece| {
            pieces.push((piece.bytes.to_vec(), piece.continues));
        });
    }
    splitter.finish(|piece| pieces.push((piece.bytes.to_vec(), piece.continues)));
    pieces
}

/// What can be read can be written, and reads as the same then.
fn comes_back<T: DeserializeOwned + Serialize>(bytes: &[u8]) {
    if let Ok(value) = serde_json::from_slice::<T>(bytes) {
        let bytes = written(&value);
        let again: T = serde_json::from_slice(&bytes).expect("what we write we can read");
        assert_eq!(written(&again), bytes);
    }
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain values can be written")
}
