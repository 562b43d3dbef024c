//! What went wrong at the bottom of a chain of errors.

use std::error::Error;
use std::io;

/// The innermost cause of `error`, as a lowercase fragment such as `connection refused`: the errors around it only
/// repeat that something failed.
pub fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    let mut timed_out = false;
    loop {
        let io = cause.downcast_ref::<io::Error>();
        timed_out |= io.is_some_and(|io| io.kind() == io::ErrorKind::TimedOut);
        match cause.source() {
            Some(next) => cause = next,
            None if timed_out => return "connection timed out".to_owned(),
            None if io.is_some_and(|io| io.raw_os_error().is_some()) => {
                return os_message(&cause.to_string());
            }
            None => return cause.to_string(),
        }
    }
}

/// The words of an operating system's error without its number, which differs between systems.
fn os_message(text: &str) -> String {
    let text = text.rsplit_once(" (os error").map_or(text, |(words, _)| words);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use thiserror::Error;

    use super::*;

    #[derive(Debug, Error)]
    #[error("transport error")]
    struct Outer(#[source] io::Error);

    #[test]
    fn root_cause_of_a_refused_connection_is_the_system_message() {
        let refused = io::Error::from_raw_os_error(111);
        assert!(refused.to_string().contains("os error"), "the case this is about");
        assert!(!root_cause(&Outer(refused)).contains("os error"));
        assert_eq!(os_message("Connection refused (os error 111)"), "connection refused");
    }

    #[test]
    fn root_cause_of_a_connect_timeout_names_it() {
        let elapsed = io::Error::new(io::ErrorKind::TimedOut, "deadline has elapsed");
        assert_eq!(root_cause(&Outer(elapsed)), "connection timed out");
        assert_eq!(root_cause(&Outer(io::Error::other("broken"))), "broken");
    }
}
