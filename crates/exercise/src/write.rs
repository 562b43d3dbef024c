//! Files appear whole or not at all.

#![expect(clippy::disallowed_types, reason = "it replaces a file as a whole")]

use std::fs::{File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer as _};
use serde_json::ser::{PrettyFormatter, Serializer};
use tempfile::NamedTempFile;

use super::input::{self, Block};
use super::output::{Element, Entry, Notation};
use bank::{BranchId, Money};

/// Writes `value` as JSON with an indent of four, as the seed systems do, and a final newline.
pub fn write_json(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    with_json(to, |json| value.serialize(json))
}

/// Writes a JSON array as [`write_json`] does, element by element: no more than one is in memory.
fn write_json_array(
    to: &mut impl Write,
    elements: impl Iterator<Item = impl Serialize>,
) -> io::Result<()> {
    with_json(to, |json| json.collect_seq(elements))
}

fn with_json<W: Write>(
    to: W,
    fill: impl FnOnce(&mut Serializer<&mut BufWriter<W>, PrettyFormatter<'_>>) -> serde_json::Result<()>,
) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    let formatter = PrettyFormatter::with_indent(b"    ");
    fill(&mut Serializer::with_formatter(&mut buffered, formatter))?;
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

/// Where a file that is to be replaced really is.
enum Destination {
    /// The standard output of this process: what is there already stays.
    StandardOutput,
    /// A pipe, a terminal or another device, at the given path.
    Device,
    /// A regular file at this path, with the permissions of the one that is there.
    File { path: PathBuf, permissions: Option<Permissions> },
}

impl Destination {
    /// Follows links. The target of a dangling link is a file that does not exist yet.
    fn find(path: &Path) -> io::Result<Self> {
        // Links such as `/dev/stdout` lead to open files, which the names in them do not.
        match path.metadata() {
            Ok(existing) if is_standard_output(&existing)? => Ok(Self::StandardOutput),
            Ok(existing) if existing.is_file() => {
                let (path, permissions) = (path.canonicalize()?, Some(existing.permissions()));
                Ok(Self::File { path, permissions })
            }
            Ok(_) => Ok(Self::Device),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut path = path.to_owned();
                while let Ok(target) = path.read_link() {
                    path = folder_of(&path).join(target);
                }
                Ok(Self::File { path, permissions: None })
            }
            Err(error) => Err(error),
        }
    }
}

/// Whether these are the metadata of this process's standard output.
fn is_standard_output(existing: &Metadata) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::{fd::AsFd, unix::fs::MetadataExt};
        let output = File::from(io::stdout().as_fd().try_clone_to_owned()?).metadata()?;
        Ok((output.dev(), output.ino()) == (existing.dev(), existing.ino()))
    }
    #[cfg(not(unix))]
    Ok(false)
}

/// Replaces the file at `path` by what `fill` writes, or leaves it as it was. Follows links and keeps permissions.
/// Standard output, pipes and devices, such as `/dev/stdout`, are written to and never replaced.
///
/// # Errors
/// The destination cannot be written, or `fill` fails.
pub fn replace(path: &Path, fill: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    match Destination::find(path)? {
        Destination::StandardOutput => {
            let mut output = io::stdout().lock();
            fill(&mut output)?;
            output.flush()
        }
        Destination::Device => fill(&mut File::options().write(true).open(path)?),
        Destination::File { path, permissions } => {
            let mut file = temporary_file(folder_of(&path))?;
            fill(file.as_file_mut())?;
            if let Some(permissions) = permissions {
                file.as_file().set_permissions(permissions)?;
            }
            file.persist(path)?;
            Ok(())
        }
    }
}

/// Reports what would keep [`replace`] from writing to `path`, and leaves that as it is. Devices are not opened, which
/// alone may have an effect.
///
/// # Errors
/// The file or its folder cannot be written.
pub fn check_writable(path: &Path) -> io::Result<()> {
    match Destination::find(path)? {
        Destination::StandardOutput | Destination::Device => Ok(()),
        Destination::File { path, permissions } => {
            if permissions.is_some() {
                File::options().append(true).open(&path)?;
            }
            temporary_file(folder_of(&path)).map(drop)
        }
    }
}

/// Creates a file in `folder` that is as readable as any other new one. Its errors do not mention its name.
fn temporary_file(folder: &Path) -> io::Result<NamedTempFile> {
    let create = |path: &Path| File::options().write(true).create_new(true).open(path);
    tempfile::Builder::new().make_in(folder, create)
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "they look at the files that are written")]
mod tests {
    use super::super::output::ResultName;
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("output.json");
        replace(&path, |mut file| write_json(&mut file, &[1])).expect("written");
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
        replace(&link, |mut file| write_json(&mut file, &1)).expect("written");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).expect("there"), "1\n");
    }

    #[cfg(unix)]
    #[test]
    fn dangling_link_gets_its_target_and_stays_a_link() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [target, middle, link] =
            ["target", "middle", "link"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("target", &middle).expect("linked");
        std::os::unix::fs::symlink(&middle, &link).expect("linked");
        replace(&link, |mut file| write_json(&mut file, &1)).expect("written");
        assert!(link.is_symlink() && middle.is_symlink());
        assert_eq!(std::fs::read_to_string(&target).expect("there"), "1\n");
    }

    #[cfg(unix)]
    #[test]
    fn replaced_file_keeps_its_permissions() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("output.json");
        std::fs::write(&path, "old").expect("written");
        std::fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
        replace(&path, |mut file| write_json(&mut file, &1)).expect("written");
        let mode = path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
    }

    #[cfg(unix)]
    #[test]
    fn link_to_an_open_pipe_writes_into_the_pipe() {
        use std::io::Read;
        use std::os::fd::AsRawFd;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let link = folder.path().join("link");
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let descriptor = format!("/dev/fd/{}", writer.as_raw_fd());
        std::os::unix::fs::symlink(descriptor, &link).expect("linked");
        replace(&link, |mut file| write_json(&mut file, &1)).expect("written");
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).expect("read");
        assert_eq!(text, "1\n");
        assert!(link.is_symlink());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn error_of_a_new_file_names_no_temporary_file() {
        let refused = replace(Path::new("/proc/output.json"), |_| Ok(())).expect_err("refused");
        assert!(!refused.to_string().contains("/proc"), "{refused}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn check_leaves_what_can_be_written_and_rejects_the_rest() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let [old, new, looped] = ["old", "new", "looped"].map(|name| folder.path().join(name));
        std::fs::write(&old, "old").expect("written");
        std::os::unix::fs::symlink(&looped, &looped).expect("linked");
        for writable in [old.as_path(), &new, Path::new("/dev/stdout"), Path::new("/dev/null")] {
            check_writable(writable).expect("writable");
        }
        assert_eq!(std::fs::read_to_string(&old).expect("there"), "old");
        assert!(!new.exists());
        for unwritable in [looped.as_path(), Path::new("/proc/new"), Path::new("/proc/version")] {
            check_writable(unwritable).expect_err("not writable");
        }
    }

    #[test]
    fn python_lines_are_as_the_seeds_print_them() {
        let entry = |interface: &str, result, balance| Entry {
            interface: interface.parse().expect("an interface"),
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
