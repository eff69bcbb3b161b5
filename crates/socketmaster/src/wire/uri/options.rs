//! The query of a listen URI: `?backlog=4096&mode=0660&owner=LOGIN&group=NAME`.

use super::parse::{decimal, unescape};
use super::{Address, UriError};
use crate::nearest::nearest;

/// Every option there is.
pub(super) const OPTIONS: [&str; 4] = ["backlog", "mode", "owner", "group"];

/// Connections that may wait to be accepted; the kernel lowers it to `net.core.somaxconn` (4096 since Linux 5.4).
const DEFAULT_BACKLOG: u16 = 4096;

/// The options of one listener.
pub(super) struct Options {
    pub(super) backlog: i32,
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<String>,
    pub(super) group: Option<String>,
}

impl Options {
    /// Reads a query without its `?`. Owner and mode are those of a file, a backlog is one of connections.
    pub(super) fn parse(query: &str, address: &Address) -> Result<Self, UriError> {
        let has_file = matches!(address, Address::UnixPath(..));
        let mut values: [Option<String>; OPTIONS.len()] = Default::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (word, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(index) = OPTIONS.iter().position(|option| *option == word) else {
                return Err(UriError::UnknownOption {
                    option: word.into(),
                    nearest: nearest(word, &OPTIONS),
                });
            };
            let option = OPTIONS[index];
            if option == "backlog" && address.is_datagram() {
                return Err(UriError::BacklogNotHere);
            }
            if option != "backlog" && !has_file {
                return Err(UriError::OptionNotHere { option });
            }
            if value.is_empty() {
                let example = ["4096", "0660", "www-data", "www-data"][index];
                return Err(UriError::OptionEmpty { option, example });
            }
            let value =
                String::from_utf8(unescape(value)?).map_err(|_| UriError::OptionText { option })?;
            if values[index].replace(value).is_some() {
                return Err(UriError::OptionTwice { option });
            }
        }
        let [backlog, mode, owner, group] = values;
        Ok(Self {
            backlog: backlog.map_or(Ok(DEFAULT_BACKLOG), read_backlog)?.into(),
            mode: mode.map(read_mode).transpose()?,
            owner,
            group,
        })
    }
}

fn read_backlog(value: String) -> Result<u16, UriError> {
    match decimal(&value) {
        Some(backlog) if backlog > 0 => Ok(backlog),
        _ => Err(UriError::Backlog { value }),
    }
}

fn read_mode(value: String) -> Result<u32, UriError> {
    let octal = value.bytes().all(|b| matches!(b, b'0'..=b'7'));
    match u32::from_str_radix(&value, 8) {
        Ok(mode) if octal && mode <= 0o777 => Ok(mode),
        _ => Err(UriError::Mode { value }),
    }
}
