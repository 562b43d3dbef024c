//! Files appear whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer as _};
use serde_json::ser::{PrettyFormatter, Serializer};
use tempfile::NamedTempFile;

use super::input::{self, Block};
use super::output::{Element, Entry, Notation};
use crate::bank::{BranchId, Money};

/// Writes `value` as JSON with an indent of four, as the seed systems do, and a final newline.
pub fn write_json(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    let formatter = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut Serializer::with_formatter(&mut buffered, formatter))?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Writes a JSON array as [`write_json`] does, element by element: no more than one is in memory.
fn write_json_array(
    to: &mut impl Write,
    elements: impl Iterator<Item = impl Serialize>,
) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    let formatter = PrettyFormatter::with_indent(b"    ");
    let mut json = Serializer::with_formatter(&mut buffered, formatter);
    let mut array = json.serialize_seq(None)?;
    for element in elements {
        array.serialize_element(&element)?;
    }
    array.end()?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Writes an input file: what `customers` do, on `branches` that all begin with `opening`.
pub fn write_input(
    to: &mut impl Write,
    customers: impl IntoIterator<Item = Block>,
    branches: &[BranchId],
    opening: Money,
) -> io::Result<()> {
    write_json_array(to, input::elements(customers, branches, opening))
}

/// Writes the elements of an output in its notation.
pub fn write_output(
    to: &mut impl Write,
    elements: impl IntoIterator<Item = Element>,
    notation: Notation,
) -> io::Result<()> {
    let with_money = match notation {
        Notation::Json => return write_json_array(to, elements.into_iter()),
        Notation::PythonLines => false,
        Notation::PythonLinesWithMoney => true,
    };
    let mut lines = BufWriter::new(to);
    for Element { id, recv } in elements {
        let entries: Vec<String> = recv.iter().map(|entry| python(entry, with_money)).collect();
        writeln!(lines, "{{'id': {id}, 'recv': [{}]}}", entries.join(", "))?;
    }
    lines.flush()
}

/// An answer as Python prints a dictionary.
fn python(entry: &Entry, with_money: bool) -> String {
    let mut members = vec![format!("'interface': '{}'", entry.interface)];
    members.extend(entry.branch.map(|branch| format!("'branch': {branch}")));
    members.extend(entry.result.map(|result| format!("'result': '{}'", result.name())));
    members.extend(entry.balance.map(|balance| {
        if with_money {
            format!("'result': 'success', 'money': {balance}")
        } else {
            format!("'balance': {balance}")
        }
    }));
    format!("{{{}}}", members.join(", "))
}

/// Puts what `fill` writes in the place of the file at `path`, or leaves that as it was. A link is
/// followed. What is no regular file, such as `/dev/stdout`, is written to and never replaced.
pub fn replace(
    path: &Path,
    fill: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
    let path = match path.canonicalize() {
        Ok(there) if !there.is_file() => {
            return fill(&mut std::fs::File::options().write(true).open(there)?);
        }
        Ok(there) => there,
        Err(_) => path.to_owned(),
    };
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut file = temporary_file(folder)?;
    fill(file.as_file_mut())?;
    file.persist(path)?;
    Ok(())
}

/// As readable as any other new file, which a temporary file by itself is not.
fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // The process's umask takes away what the user does not want.
        let permissions = std::fs::Permissions::from_mode(0o666);
        builder.permissions(permissions);
    }
    builder.tempfile_in(folder)
}

#[cfg(test)]
mod tests {
    use super::super::output::ResultName;
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("output.json");
        replace(&path, |file| write_json(file, &[1])).expect("written");
        let failed = replace(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no more"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).expect("there"), "[\n    1\n]\n");
        assert_eq!(std::fs::read_dir(folder.path()).expect("readable").count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed_and_stays_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::fs::write(&file, "old").expect("written");
        std::os::unix::fs::symlink(&file, &link).expect("linked");
        replace(&link, |file| write_json(file, &1)).expect("written");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "1\n");
    }

    #[test]
    fn python_lines_are_as_the_seeds_print_them() {
        let entry = |interface: &str, result, balance| Entry {
            interface: interface.to_owned(),
            branch: None,
            result,
            balance,
        };
        let recv = vec![
            entry("deposit", Some(ResultName::Success), None),
            entry("query", None, Some(500)),
        ];
        let output = vec![Element { id: 2, recv }, Element { id: 3, recv: Vec::new() }];
        let written = |notation| {
            let mut text = Vec::new();
            write_output(&mut text, output.clone(), notation).expect("written");
            String::from_utf8(text).expect("text")
        };
        assert_eq!(
            written(Notation::PythonLines),
            "{'id': 2, 'recv': [{'interface': 'deposit', 'result': 'success'}, \
             {'interface': 'query', 'balance': 500}]}\n{'id': 3, 'recv': []}\n"
        );
        assert_eq!(
            written(Notation::PythonLinesWithMoney).lines().next(),
            Some(
                "{'id': 2, 'recv': [{'interface': 'deposit', 'result': 'success'}, \
                 {'interface': 'query', 'result': 'success', 'money': 500}]}"
            )
        );
    }
}
