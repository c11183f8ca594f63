//! Unpacking an archive of a server: bounded, inside of one folder, and all of it or nothing.
use std::fs;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consign_core::{Artifact, Delivery, Error, ErrorKind, Result, safe_file_name};
use tar::EntryType;

use super::Unpacked;

/// The longest extension header that is read: names longer than this are longer than any system's.
const EXTENSION: u64 = 64 * 1024;

/// The longest part of a name that is told, in characters.
const SHOWN: usize = 240;

/// How much an archive may unpack to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) entries: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 30, entries: 100_000 }
    }
}

/// A hidden folder of its own, removed with all that is in it when nobody uses it any more.
struct Hidden(PathBuf);

impl Hidden {
    fn new(folder: &Path, name: &str) -> io::Result<Self> {
        for n in 0..u32::MAX {
            let path = folder.join(format!(".{name}.{}-{n}.part", std::process::id()));
            match fs::create_dir(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => return made.map(|()| Self(path)),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // Nothing more can be done if it cannot be removed; its name says what it is.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Tells the work in another thread that nobody waits for it any more.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Why something was not unpacked.
#[derive(Debug)]
enum Fault {
    Io(&'static str, PathBuf, io::Error),
    Bad(String),
    Large(String),
}

/// Downloads an archive and unpacks it into the folder `name` of `folder`.
pub(crate) async fn save(artifact: &Artifact, folder: &Path, name: &str, limits: Limits) -> Result<Unpacked> {
    let failed = |fault: Fault| -> Error {
        let (kind, what) = match fault {
            Fault::Io(what, path, error) => return Error::io(what, &path, error),
            Fault::Bad(what) => (ErrorKind::Decode, what),
            Fault::Large(what) => (ErrorKind::TooLarge, what),
        };
        let what = format!("the archive {name}: {what}");
        consign_http::Error::new(kind, Delivery::Unknown, what).on_read().into()
    };
    let (at, own) = (folder.to_owned(), name.to_owned());
    let hidden = tokio::task::spawn_blocking(move || {
        let made = fs::create_dir_all(&at).and_then(|()| Hidden::new(&at, &own));
        made.map(Arc::new).map_err(|e| Fault::Io("make a folder in", at, e))
    });
    let hidden = joined(hidden.await).map_err(failed)?;
    let packed = artifact.save_as(hidden.0.join("archive")).await?;
    let stop = Stop(Arc::default());
    let (own, flag, place) = (hidden.clone(), stop.0.clone(), folder.join(name));
    let work = tokio::task::spawn_blocking(move || {
        let content = own.0.join("content");
        let io = |what, path: &Path, error| Fault::Io(what, path.to_owned(), error);
        fs::create_dir(&content).map_err(|e| io("make the folder", &content, e))?;
        let file = fs::File::open(&packed).map_err(|e| io("open", &packed, e))?;
        let (files, left_out) = unpack(BufReader::new(file), &content, limits, &flag)?;
        place_all(&content, &place, &files)?;
        let files = files.iter().map(|file| place.join(file)).collect();
        Ok(Unpacked { folder: place, files, left_out })
    });
    joined(work.await).map_err(failed)
}

/// What work in another thread gave.
fn joined<T>(done: Result<Result<T, Fault>, tokio::task::JoinError>) -> Result<T, Fault> {
    done.unwrap_or_else(|error| Err(Fault::Bad(error.to_string())))
}

/// Puts what was unpacked in its place: at once if nothing is there, else file by file.
fn place_all(content: &Path, place: &Path, files: &[PathBuf]) -> Result<(), Fault> {
    let io = |what, path: &Path, error| Fault::Io(what, path.to_owned(), error);
    if fs::symlink_metadata(place).is_err() {
        return fs::rename(content, place).map_err(|e| io("write", place, e));
    }
    let folders = |file: &Path| {
        let mut folders = vec![place.to_owned()];
        for part in file.parent().into_iter().flat_map(Path::iter) {
            folders.push(folders[folders.len() - 1].join(part));
        }
        folders
    };
    // Whatever stands in the way is found before anything is replaced: every folder on the way is one, and no link to
    // elsewhere, and no folder is where a file goes.
    for file in files {
        for folder in folders(file) {
            if fs::symlink_metadata(&folder).is_ok_and(|facts| !facts.is_dir()) {
                return Err(io("write into", &folder, io::ErrorKind::NotADirectory.into()));
            }
        }
        let to = place.join(file);
        if fs::symlink_metadata(&to).is_ok_and(|facts| facts.is_dir()) {
            return Err(io("write", &to, io::ErrorKind::IsADirectory.into()));
        }
    }
    for file in files {
        for folder in folders(file) {
            match fs::symlink_metadata(&folder) {
                Ok(facts) if facts.is_dir() => {}
                Ok(_) => return Err(io("write into", &folder, io::ErrorKind::NotADirectory.into())),
                Err(_) => fs::create_dir(&folder).map_err(|e| io("make the folder", &folder, e))?,
            }
        }
        let to = place.join(file);
        fs::rename(content.join(file), &to).map_err(|e| io("write", &to, e))?;
    }
    Ok(())
}

/// Reads no more than a number of bytes, and says so.
struct Bounded<R> {
    inner: R,
    left: u64,
    over: Arc<AtomicBool>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.left.checked_sub(read as u64) {
            Some(left) => self.left = left,
            None => {
                self.over.store(true, Ordering::Relaxed);
                return Err(io::Error::other("it unpacks to too much"));
            }
        }
        Ok(read)
    }
}

/// Unpacks into an empty folder; gives the files' paths in it, and the names of what was left out.
fn unpack(
    packed: impl Read,
    into: &Path,
    limits: Limits,
    stop: &AtomicBool,
) -> Result<(Vec<PathBuf>, Vec<String>), Fault> {
    let over = Arc::new(AtomicBool::new(false));
    let large = || Fault::Large(format!("it unpacks to more than {} bytes", limits.bytes));
    let broken = |error: io::Error| match over.load(Ordering::Relaxed) {
        true => large(),
        false => Fault::Bad(format!("it is no whole tar.gz: {error}")),
    };
    let unzipped = Bounded { inner: flate2::read::GzDecoder::new(packed), left: limits.bytes, over: over.clone() };
    let mut archive = tar::Archive::new(unzipped);
    let (mut files, mut left_out, mut name, mut count) = (Vec::new(), Vec::new(), None, 0);
    // Raw: extension headers come as entries, so that their size can be bounded.
    for entry in archive.entries().map_err(broken)?.raw(true) {
        let mut entry = entry.map_err(broken)?;
        if stop.load(Ordering::Relaxed) {
            return Err(Fault::Bad("nobody waits for it any more".to_owned()));
        }
        count += 1;
        if count > limits.entries {
            return Err(many(limits));
        }
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => {
                let text = extension(&mut entry).map_err(broken)?;
                name = Some(text.split(|b| *b == 0).next().unwrap_or_default().to_vec());
                continue;
            }
            EntryType::XHeader => {
                let records = extension(&mut entry).map_err(broken)?;
                for record in tar::PaxExtensions::new(&records) {
                    let record = record.map_err(broken)?;
                    match record.key_bytes() {
                        b"path" => name = Some(record.value_bytes().to_vec()),
                        b"size" => return Err(Fault::Large("a file in it is larger than 8 GiB".to_owned())),
                        _ => {}
                    }
                }
                continue;
            }
            EntryType::GNULongLink | EntryType::XGlobalHeader => continue,
            _ => {}
        }
        let name = name.take().unwrap_or_else(|| entry.header().path_bytes().into_owned());
        let text = text_of(&name);
        let path = inside(&text)?;
        let io = |what, path: &Path, error| Fault::Io(what, path.to_owned(), error);
        let to = into.join(&path);
        let folder = kind.is_dir() || text.ends_with('/');
        if folder {
            // The folder itself was counted.
            count += make_folders(into, &path)?.saturating_sub(1);
        } else if matches!(kind, EntryType::Regular | EntryType::Continuous) {
            if path.as_os_str().is_empty() {
                return Err(Fault::Bad("a file in it has no name".to_owned()));
            }
            count += make_folders(into, path.parent().unwrap_or(Path::new("")))?;
            let mut file = fs::File::create_new(&to).map_err(|e| match e.kind() {
                io::ErrorKind::AlreadyExists => Fault::Bad(format!("{:?} is in it twice", shown(&text))),
                _ => io("write", &to, e),
            })?;
            let wanted = entry.size();
            copy(&mut entry, &mut file, wanted, stop).map_err(|error| match error {
                Copy::Read(error) => broken(error),
                Copy::Write(error) => io("write", &to, error),
                Copy::Stopped => Fault::Bad("nobody waits for it any more".to_owned()),
            })?;
            files.push(path);
        } else {
            left_out.push(shown(&text));
        }
    }
    if count > limits.entries {
        return Err(many(limits));
    }
    // To the end, where the checksum is.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(broken)?;
    Ok((files, left_out))
}

fn many(limits: Limits) -> Fault {
    Fault::Large(format!("there is more in it than {} files and folders", limits.entries))
}

/// Makes the folders of a path that are not there yet; gives how many: a name brings more than one with it.
fn make_folders(into: &Path, path: &Path) -> Result<u64, Fault> {
    let (mut at, mut made) = (into.to_owned(), 0);
    if into.join(path).is_dir() {
        return Ok(made);
    }
    for part in path {
        at.push(part);
        match fs::create_dir(&at) {
            Ok(()) => made += 1,
            Err(_) if at.is_dir() => {}
            Err(error) => return Err(Fault::Io("make the folder", at, error)),
        }
    }
    Ok(made)
}

enum Copy {
    Read(io::Error),
    Write(io::Error),
    Stopped,
}

/// Copies a file out of an archive, and tells a fault of the archive from one of the disk.
fn copy(from: &mut impl Read, to: &mut fs::File, wanted: u64, stop: &AtomicBool) -> Result<(), Copy> {
    let mut buffer = vec![0; 64 * 1024];
    let mut got = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Err(Copy::Stopped);
        }
        let n = match from.read(&mut buffer) {
            Ok(0) if got < wanted => return Err(Copy::Read(io::ErrorKind::UnexpectedEof.into())),
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(Copy::Read(error)),
        };
        got += n as u64;
        io::Write::write_all(to, &buffer[..n]).map_err(Copy::Write)?;
    }
}

fn extension(entry: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    entry.take(EXTENSION + 1).read_to_end(&mut text)?;
    if text.len() as u64 > EXTENSION {
        return Err(io::Error::other("a name in it is too long"));
    }
    Ok(text)
}

/// A name as text. Bytes that are none become `%XX`, so that different names stay different.
fn text_of(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("%{byte:02X}")));
    }
    text
}

/// As much of a name as is kept to be told: there may be many, and long ones.
fn shown(name: &str) -> String {
    name.chars().take(SHOWN).collect()
}

/// The path that a name of an archive has in the folder: harmless parts only. A name that leads out is refused.
fn inside(name: &str) -> Result<PathBuf, Fault> {
    let mut path = PathBuf::new();
    let out = || Err(Fault::Bad(format!("the name {:?} in it leads out of the folder", shown(name))));
    if name.starts_with('/') {
        return out();
    }
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => return out(),
            part => path.push(match part.strip_prefix('.') {
                Some(rest) if !rest.starts_with('.') => format!(".{}", safe_file_name(rest)),
                _ => safe_file_name(part),
            }),
        }
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_becomes_a_path_inside_or_none() {
        for (name, path) in [
            ("stdout", "stdout"),
            ("./outputs//a/b.txt", "outputs/a/b.txt"),
            (".hidden/.x", ".hidden/.x"),
            ("a/./b/", "a/b"),
            (".", ""),
        ] {
            assert_eq!(inside(name).unwrap(), Path::new(path), "{name}");
        }
        for name in ["../x", "a/../../x", "/etc/passwd", "..", "a/.."] {
            assert!(matches!(inside(name), Err(Fault::Bad(_))), "{name}");
        }
        for name in ["..\\..\\x", "C:\\x", "CON", "nul.txt", "a:b", "x\0y", "...", "dir./x", "é\u{202e}"] {
            let path = inside(name).unwrap();
            let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).collect();
            assert!(parts.iter().all(|part| !part.contains([':', '\\', '\0']) && !part.ends_with('.')), "{path:?}");
            assert!(!parts.iter().any(|part| ["CON", "nul.txt", "..", "..."].contains(part)), "{path:?}");
        }
    }
}
