//! `supple eval --video`: what is written can be read, and nothing is written over.

mod cli;

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::BufReader,
    path::Path,
};

use cli::{Scratch, last_json};

/// Width, height and pixels of a PNG file.
fn read_png(path: &Path) -> (u32, u32, Vec<u8>) {
    let file = BufReader::new(File::open(path).expect("a picture"));
    let mut reader = png::Decoder::new(file).read_info().expect("a PNG file");
    let mut rgb = vec![0; reader.output_buffer_size().expect("a picture that fits")];
    let info = reader.next_frame(&mut rgb).expect("a whole PNG file");
    assert_eq!(info.color_type, png::ColorType::Rgb);
    (info.width, info.height, rgb)
}

/// Pictures of a GIF file as red, green, blue, alpha, and their delays in hundredths of a second.
fn read_gif(path: &Path) -> (Vec<Vec<u8>>, Vec<u16>) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut reader = options.read_info(File::open(path).expect("a GIF file")).expect("a GIF file");
    let (mut pictures, mut delays) = (Vec::new(), Vec::new());
    while let Some(frame) = reader.read_next_frame().expect("a whole GIF file") {
        pictures.push(frame.buffer.to_vec());
        delays.push(frame.delay);
    }
    (pictures, delays)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// More episodes than are played side by side, so that some environments record two.
#[test]
fn every_step_of_every_episode_can_be_seen() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml"]);
    let eval = ["eval", "runs/quick-1", "--episodes", "18", "--json"];
    let plain = last_json(&s.succeed(&eval).stdout);
    let ended = s.succeed(&[&eval[..], &["--video", "films/first/", "--fps", "40"]].concat());
    assert_eq!(last_json(&ended.stdout), plain, "being filmed changes nothing");
    assert!(ended.stderr.contains("videos: films/first"), "{}", ended.stderr);
    assert_eq!(names(&s.path("films")), ["first".to_owned()].into());

    let lengths = plain["lengths"].as_array().expect("a list");
    let film = s.path("films/first");
    assert_eq!(names(&film).len(), 2 * lengths.len());
    for (episode, length) in lengths.iter().enumerate() {
        let steps = length.as_u64().expect("a number") as usize;
        let folder = film.join(format!("episode-{episode:03}"));
        let expected: BTreeSet<String> = (0..=steps).map(|t| format!("frame-{t:05}.png")).collect();
        assert_eq!(names(&folder), expected, "episode {episode}: one picture more than steps");

        let (pictures, delays) = read_gif(&folder.with_extension("gif"));
        assert_eq!(pictures.len(), steps + 1, "episode {episode}");
        let hundredths: usize = delays.iter().map(|&delay| usize::from(delay)).sum();
        assert_eq!(hundredths, (steps + 1) * 100 / 40, "40 pictures a second");
        let (width, height, first) = read_png(&folder.join("frame-00000.png"));
        assert_eq!((width, height), (480, 280));
        let (.., last) = read_png(&folder.join(format!("frame-{steps:05}.png")));
        assert_ne!(first, last, "episode {episode}: the pole falls");
        // The GIF shows the same; it has colours enough but for some edges.
        let shown = pictures[0].chunks_exact(4).zip(first.chunks_exact(3));
        let far = shown.filter(|(x, y)| (0..3).any(|i| x[i].abs_diff(y[i]) > 8)).count();
        assert!(far < 480 * 280 / 200, "episode {episode}: {far} pixels are not the PNG file's");
    }
}

#[test]
fn films_are_not_written_over() {
    let s = Scratch::quick();
    s.succeed(&["train", "quick.toml"]);
    let eval =
        |folder: &str| s.run(&["eval", "runs/quick-1", "--episodes", "1", "--video", folder]);
    fs::create_dir(s.path("film")).expect("a folder");
    assert_eq!(eval("film").code, Some(0), "an empty folder is as good as none");
    let before = fs::read(s.path("film/episode-000.gif")).expect("a GIF file");

    fs::create_dir_all(s.path("other.partial")).expect("a folder");
    s.write("file", "of something else");
    for (folder, wanted) in [
        ("film", "film already holds something; give --video a new or empty folder"),
        ("file", "file already holds something; give --video a new or empty folder"),
        ("other", "other.partial is of a recording under way or broken off; remove it"),
        ("file/film", "cannot make the folder file/film.partial"),
    ] {
        let ended = eval(folder);
        assert_eq!(ended.code, Some(1), "{folder}: {}", ended.stderr);
        assert_eq!(ended.stdout, "", "{folder}: nothing was played");
        let line = ended.stderr.lines().last().expect("an error");
        assert!(line.starts_with("error: ") && line.contains(wanted), "{line}");
    }
    assert_eq!(fs::read(s.path("film/episode-000.gif")).expect("still there"), before);
    assert!(s.path("other.partial").exists() && !s.path("other").exists());

    for args in [&["--fps", "10"][..], &["--video", "x", "--fps", "51"], &["--video"]] {
        let ended = s.run(&[&["eval", "runs/quick-1"], args].concat());
        assert_eq!(ended.code, Some(2), "{args:?}: {}", ended.stderr);
    }
}
