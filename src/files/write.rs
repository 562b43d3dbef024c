//! Files appear whole or not at all.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
use tempfile::NamedTempFile;

/// Writes `value` as JSON with an indent of four, as the seed systems do, and a final newline.
pub fn write_json(to: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut buffered = BufWriter::new(to);
    let formatter = PrettyFormatter::with_indent(b"    ");
    value.serialize(&mut Serializer::with_formatter(&mut buffered, formatter))?;
    buffered.write_all(b"\n")?;
    buffered.flush()
}

/// Puts what `fill` writes in the place of the file at `path`, or leaves that as it was.
pub fn replace(
    path: &Path,
    fill: impl FnOnce(&mut std::fs::File) -> io::Result<()>,
) -> io::Result<()> {
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
}
