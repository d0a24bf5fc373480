//! The thread that writes what is logged.
//!
//! `metrics.jsonl` is the record: one line per step and source, written through to the system
//! before the thread waits again, so that `kill -9` costs at most the line being written.
//! TensorBoard gets the same, in a file for each process.

use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use crossbeam::channel::{Receiver, Sender};
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    logging::{
        dashboard::Dashboard,
        record::{Record, Row},
        tensorboard::Board,
    },
};

/// From any thread to the writer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWriter {
    /// Something about one step.
    Record {
        /// Environment steps over all actors.
        step: u64,
        /// What there is to write.
        record: Record,
    },
    /// Put everything on disk, then answer on the acknowledgement channel.
    Sync,
}

/// Writes `metrics.jsonl` and the TensorBoard events of one run folder.
pub struct Writer {
    jsonl: File,
    path: PathBuf,
    board: Board,
    started: Instant,
    wall_before: f64,
}

impl Writer {
    /// Opens `dir/metrics.jsonl`, keeping only the rows up to `step` that `keep` wants (a resume);
    /// TensorBoard gets them if it has no file of them, and the `dashboard`. `wall_before` is the time the run took before this
    /// process.
    ///
    /// # Errors
    /// When the folder cannot be read or written.
    pub fn open(
        dir: &Path,
        dashboard: &Dashboard,
        step: u64,
        wall_before: f64,
        keep: impl Fn(&Row) -> bool,
    ) -> Result<Writer, Error> {
        let path = dir.join("metrics.jsonl");
        let temporary = dir.join("metrics.jsonl.tmp");
        let write = |e| Error::io("write", &path, e);
        let mut board = Board::create(dir, dashboard, step, wall_before)?;
        // A record that is a device or a pipe is written to as it is.
        let is_plain = std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file());
        let mut kept = if is_plain {
            Some(BufWriter::new(File::create(&temporary).map_err(write)?))
        } else {
            None
        };
        // Row by row: the record of a long run is larger than its networks.
        for_each_row(&path, |row| {
            if row.step <= step && keep(&row) {
                if let Some(file) = &mut kept {
                    write_line(file, &row).map_err(write)?;
                }
                if board.is_first() {
                    show(&mut board, &row)?;
                }
            }
            Ok(())
        })?;
        board.flush()?;
        if let Some(file) = kept {
            file.into_inner().map_err(|e| write(e.into()))?.sync_all().map_err(write)?;
            std::fs::rename(&temporary, &path).map_err(write)?;
        }
        let jsonl = File::options().append(true).create(true).open(&path).map_err(write)?;
        Ok(Writer { jsonl, path, board, started: Instant::now(), wall_before })
    }

    /// The thread: writes until every sender is gone.
    ///
    /// # Errors
    /// When a file cannot be written; the senders then see the channel closed.
    pub fn run(mut self, inbox: &Receiver<ToWriter>, synced: &Sender<()>) -> Result<(), Error> {
        while let Ok(message) = inbox.recv() {
            match message {
                ToWriter::Record { step, record } => {
                    let wall_s = self.wall_before + self.started.elapsed().as_secs_f64();
                    let row = Row::new(step, wall_s, record);
                    write_line(&mut self.jsonl, &row)
                        .map_err(|e| Error::io("write", &self.path, e))?;
                    show(&mut self.board, &row)?;
                    self.board.flush()?;
                }
                ToWriter::Sync => {
                    match self.jsonl.sync_data() {
                        // A pipe or a device has nothing to sync.
                        Err(e) if e.kind() != ErrorKind::InvalidInput => {
                            return Err(Error::io("write", &self.path, e));
                        }
                        _ => {}
                    }
                    if synced.send(()).is_err() {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A line of the record in TensorBoard, which has no place for numbers that are not finite.
fn show(board: &mut Board, row: &Row) -> Result<(), Error> {
    board.at(row.wall_s);
    for (tag, value) in &row.metrics {
        if let Some(value) = value.as_f64() {
            board.scalar(tag, value, row.step)?;
        }
    }
    for (tag, histogram) in &row.histograms {
        board.histogram(tag, histogram, row.step)?;
    }
    for (tag, text) in &row.texts {
        board.text(tag, text, row.step)?;
    }
    Ok(())
}

/// Rows of an existing record up to `step`; a torn last line (`kill -9`) is dropped.
///
/// # Errors
/// When the file exists and cannot be read.
pub fn read_rows(path: &Path, step: u64) -> Result<Vec<Row>, Error> {
    let mut rows = Vec::new();
    for_each_row(path, |row| {
        if row.step <= step {
            rows.push(row);
        }
        Ok(())
    })?;
    Ok(rows)
}

/// Shows `see` the whole rows of a record, if there is one, one after another.
fn for_each_row(path: &Path, mut see: impl FnMut(Row) -> Result<(), Error>) -> Result<(), Error> {
    if !std::fs::metadata(path).is_ok_and(|m| m.is_file()) {
        return Ok(());
    }
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|e| Error::io("read", path, e))?;
        if let Ok(row) = serde_json::from_slice::<Row>(&line) {
            see(row)?;
        }
    }
    Ok(())
}

/// One `write` call per line, so that lines are whole unless the system dies.
fn write_line(file: &mut impl Write, row: &Row) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(row)?;
    line.push(b'\n');
    file.write_all(&line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logging::catalog::METRICS;
    use crossbeam::channel::bounded;

    /// Writes rows `from..to` with value `step + 0.1`, the number NaN among them.
    fn write(dir: &Path, from: u64, to: u64) {
        let writer =
            Writer::open(dir, &Dashboard::of(METRICS), from, 100.0 * from as f64, |_| true)
                .unwrap();
        let (sender, inbox) = bounded(4);
        let (synced, acknowledged) = bounded(1);
        let thread = std::thread::spawn(move || writer.run(&inbox, &synced));
        for step in from + 1..=to {
            let values = vec![("b".to_owned(), step as f64 + 0.1), ("a".to_owned(), f64::NAN)];
            sender.send(ToWriter::Record { step, record: Record::Scalars(values) }).unwrap();
        }
        sender.send(ToWriter::Sync).unwrap();
        acknowledged.recv().unwrap();
        // What was sent before the acknowledgement is on disk by then.
        assert_eq!(read_rows(&dir.join("metrics.jsonl"), u64::MAX).unwrap().len() as u64, to);
        drop(sender);
        thread.join().unwrap().unwrap();
    }

    #[test]
    fn rows_are_kept_up_to_the_step_and_exactly() {
        let folder = tempfile::tempdir().unwrap();
        let (dir, file) = (folder.path(), folder.path().join("metrics.jsonl"));
        write(dir, 0, 10);
        write(dir, 6, 9);
        let rows = read_rows(&file, u64::MAX).unwrap();
        for (row, step) in rows.iter().zip(1..) {
            assert_eq!(row.step, step);
            assert_eq!(row.metrics["b"], step as f64 + 0.1, "all digits");
            assert!(row.metrics["a"].is_null(), "JSON has no NaN");
            assert_eq!(row.metrics.len(), 2);
            assert!((row.wall_s >= 600.0) == (step > 6), "{row:?}");
        }
        assert_eq!(read_rows(&file, 4).unwrap().len(), 4);
        let count = |name: &str| {
            let files = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name());
            files.filter(|f| f.to_string_lossy().starts_with(name)).count()
        };
        assert_eq!((count("events.out.tfevents"), count("metrics.jsonl")), (2, 1));
    }

    #[test]
    fn a_torn_last_line_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("metrics.jsonl");
        write(folder.path(), 0, 3);
        let whole = std::fs::read(&file).unwrap();
        for cut in 1..20 {
            std::fs::write(&file, &whole[..whole.len() - cut]).unwrap();
            let rows = read_rows(&file, u64::MAX).unwrap();
            // Without the line break alone, the last line is still whole.
            assert_eq!(rows.len(), if cut == 1 { 3 } else { 2 }, "{cut} bytes short");
        }
        drop(Writer::open(folder.path(), &Dashboard::of(METRICS), 2, 0.0, |_| true).unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(text.ends_with("}\n"), "the next row begins a line of its own");
    }
}
